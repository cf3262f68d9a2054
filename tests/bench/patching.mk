# The benchmarks of patching, of sites that run, and of hotc; tests/bench/bench.mk runs them all.

BENCH_PATCHING := $(addprefix tests/bench/,patching.c bench_text.c section_table.c result.c)

build/bench/patching: $(call objects,build/host,$(BENCH_PATCHING) $(LIBRARY) $(HOT_OUT)/hottable.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $^ -o $@

BENCH_TOOLS := build/bench/patching
tests-built test-bench: $(BENCH_TOOLS)

##test-bench    that the benchmarks compare what is the same, and say so; `make bench` measures
.PHONY: test-bench
test-bench:
	@$(PYTHON) tests/run.py bench
