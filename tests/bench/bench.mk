# `make bench`: everything that is measured, in one run. README.md says what and how; run.py runs the
# programs. Here is what relocation needs; the other groups' rules stand in files of their own.

BENCH_OBJECTS := build/bench/objects

##bench         measure relocation, patching, sites, hotc and boot: a table, build/bench.json, a plot;
##bench           ONLY=relocation, patching, runtime, hotc or boot for one of them; REPEAT=
.PHONY: bench
bench: all
	@$(PYTHON) tests/bench/run.py --only '$(ONLY)' $(if $(REPEAT),--repeat '$(REPEAT)')

build/bench/relocation: $(call objects,build/host,$(addprefix tests/bench/,hotinlines.c subject.c \
		contenders.c relocation.c result.c) $(LIBRARY))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $^ -o $@

# The 20 largest modules of Debian's kernel, and synthetic objects of known sizes.
$(BENCH_OBJECTS)/made: tests/bench/objects.py
	$(Q)$(PYTHON) tests/bench/objects.py $(BENCH_OBJECTS)
	@touch $@

tests-built test-bench: build/bench/relocation
ifneq ($(filter relocation,$(or $(ONLY),relocation)),)
bench: build/bench/relocation $(BENCH_OBJECTS)/made
endif
