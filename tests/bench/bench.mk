# `make bench`: everything that is measured, in one run. README.md says what and how; run.py runs the
# programs. Here is what relocation needs; the other groups' rules stand in files of their own.

BENCH_OBJECTS := build/bench/objects

##bench         relocation, patching, sites, hotc, boot: a table, build/bench.json, a plot; ONLY= REPEAT=
.PHONY: bench
bench: all
	@$(PYTHON) tests/bench/run.py --only '$(ONLY)' $(if $(REPEAT),--repeat '$(REPEAT)')

build/bench/relocation: $(call objects,build/host,$(addprefix tests/bench/,hotinlines.c subject.c \
		phases.c contenders.c relocation.c result.c) $(LIBRARY))

build/bench/dlopen: $(call objects,build/host,tests/bench/dlopen.c tests/bench/result.c)

# The 20 largest modules of Debian's kernel, and synthetic objects of known sizes.
$(BENCH_OBJECTS)/made: tests/bench/objects.py
	$(Q)$(PYTHON) tests/bench/objects.py $(BENCH_OBJECTS)
	@touch $@

BENCH_RELOCATION := build/bench/relocation build/bench/dlopen
LINKED += $(BENCH_RELOCATION)
PHASES := krtld_object_open krtld_place krtld_resolve krtld_relocate krtld_finish_sites do_hotinlines
build/bench/relocation: private COMMAND = $(link_host) $(PHASES:%=-Wl,--wrap=%)
build/bench/dlopen: private COMMAND = $(link_host)
tests-built test-bench: $(BENCH_RELOCATION)
bench: $(BENCH_RELOCATION) build/bench/patching build/bench/runtime
ifneq ($(filter relocation,$(or $(ONLY),relocation)),)
bench: $(BENCH_OBJECTS)/made
endif
