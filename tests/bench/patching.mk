# The benchmarks of patching and of sites that run.

BENCH_PATCHING := $(addprefix tests/bench/,patching.c bench_text.c section_table.c result.c)

build/bench/patching: $(call objects,build/host,$(BENCH_PATCHING) $(LIBRARY) $(HOT_OUT)/hottable.c)

# What the loops see is a module's: the kernel's flags, and hotc's header and stubs.
RUNTIME_UNIX := $(call objects,build/kernel,$(HOT_OUT)/hotstubs.asm kernel/arch/$(ABI)/helpers.c \
	kernel/arch/$(ABI)/copy.asm tests/bench/runtime_functions.c)
RUNTIME_LOOPS := build/kernel/tests/bench/runtime_loops.o
ALIGN_BRANCHES := $(call known,-Wa$(comma)-mbranches-within-32B-boundaries$(comma)-malign-branch-prefix-size=0)
$(RUNTIME_LOOPS): KERNEL_CFLAGS += -falign-loops=64 $(ALIGN_BRANCHES)
build/bench/runtime-unix.o: $(RUNTIME_UNIX)
build/bench/runtime-unix.o: private COMMAND = $(link_relocatable)

BENCH_RUNTIME := $(addprefix tests/bench/,runtime.c runtime_world.c result.c)
build/bench/runtime: $(call objects,build/host,$(BENCH_RUNTIME) $(LIBRARY) $(HOT_OUT)/hottable.c) \
		| build/bench/runtime-unix.o $(RUNTIME_LOOPS)

LINKED += build/bench/patching build/bench/runtime build/bench/runtime-unix.o
build/bench/patching build/bench/runtime: private COMMAND = $(link_host)

tests-built test-bench: build/bench/patching build/bench/runtime
bench: $(if $(filter patching,$(or $(ONLY),patching)),build/bench/patching) \
	$(if $(filter runtime,$(or $(ONLY),runtime)),build/bench/runtime)

##test-bench    that the benchmarks compare what is the same, and say so; `make bench` measures
.PHONY: test-bench
test-bench:
	@$(PYTHON) tests/run.py bench
