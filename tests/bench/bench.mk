# The benchmark of relocation, and the objects that it works on.

BENCH_OBJECTS := build/bench/objects

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
