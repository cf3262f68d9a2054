# The benchmarks of patching and of sites that run.

BENCH_PATCHING := $(addprefix tests/bench/,patching.c bench_text.c section_table.c result.c)

build/bench/patching: $(call objects,build/host,$(BENCH_PATCHING) $(LIBRARY) $(HOT_OUT)/hottable.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $^ -o $@

# What the loops see is a module's: the kernel's flags, and hotc's header and stubs.
RUNTIME_UNIX := $(call objects,build/kernel,$(HOT_OUT)/hotstubs.asm kernel/arch/$(ABI)/helpers.c \
	kernel/arch/$(ABI)/copy.asm tests/bench/runtime_functions.c)
RUNTIME_LOOPS := build/kernel/tests/bench/runtime_loops.o
$(RUNTIME_LOOPS): tests/bench/patching.mk
$(RUNTIME_LOOPS): KERNEL_CFLAGS += -falign-loops=64 \
	-Wa,-mbranches-within-32B-boundaries,-malign-branch-prefix-size=0
build/bench/runtime-unix.o: $(RUNTIME_UNIX)
	$(call say,LD -r,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) -r -z noexecstack $^ -o $@

BENCH_RUNTIME := $(addprefix tests/bench/,runtime.c runtime_world.c result.c)
build/bench/runtime: $(call objects,build/host,$(BENCH_RUNTIME) $(LIBRARY) $(HOT_OUT)/hottable.c) \
		build/bench/runtime-unix.o $(RUNTIME_LOOPS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(filter build/host/%,$^) -o $@

tests-built test-bench: build/bench/patching build/bench/runtime
bench: $(if $(filter patching,$(or $(ONLY),patching)),build/bench/patching) \
	$(if $(filter runtime,$(or $(ONLY),runtime)),build/bench/runtime)

##test-bench    that the benchmarks compare what is the same, and say so; `make bench` measures
.PHONY: test-bench
test-bench:
	@$(PYTHON) tests/run.py bench
