# `make coverage`: which lines and branches of alternatives/ and loader/ the host tests reach, the
# host tool's included. Everything lies in build/coverage/. Included by the Makefile.

##coverage      lines and branches of alternatives/ and loader/ that the host tests reach; HTML
COVERAGE := build/coverage
COVERAGE_CFLAGS := $(CFLAGS) -O0 $(NO_COPIES)
COVERED := $(call objects,$(COVERAGE),$(LIBRARY))
COVERED_TOOL := $(call objects,$(COVERAGE),$(TOOL))
COVERAGE_TABLE := $(call objects,$(COVERAGE),$(HOT_OUT)/hottable.c)

# Only what is measured is instrumented: a test's own lines are no claim about the library.
$(COVERED) $(COVERED_TOOL): COVERAGE_CFLAGS += --coverage
$(COVERAGE)/%.o: %.c | $(HOT_OUT)/hotinline.h
	$(call say,CC,$< (for coverage))
	@mkdir -p $(@D)
	$(Q)$(CC) $(COVERAGE_CFLAGS) -MMD -MP -c $< -o $@

$(COVERAGE)/host-tests: $(COVERED) $(COVERAGE_TABLE) $(call objects,$(COVERAGE),$(HOST_TESTS))
	$(call say,LD,$@)
	$(Q)$(CC) --coverage $^ -lcriterion -o $@

$(COVERAGE)/krtld: $(COVERED) $(COVERED_TOOL) $(COVERAGE_TABLE)
	$(call say,LD,$@)
	$(Q)$(CC) --coverage $^ -o $@

.PHONY: coverage coverage-tools
coverage-tools:
	@command -v lcov >/dev/null || { \
		echo "coverage: there is no lcov; \`make setup coverage\` installs it" >&2; exit 1; }
coverage: coverage-tools $(COVERAGE)/host-tests $(COVERAGE)/krtld test-objects build/bin/krtld
	@$(PYTHON) tests/host/coverage.py $(COVERAGE) tests/host/uncovered.txt
