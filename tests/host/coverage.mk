# `make coverage`: which lines and branches of alternatives/ and loader/ the host tests reach, the
# host tool's included. Everything lies in build/coverage/. Included by the Makefile.

##coverage      lines and branches of alternatives/ and loader/ that the host tests reach; HTML
COVERAGE := build/coverage
COVERAGE_CFLAGS = $(WANTED) $(NEEDED) -O0 -U_FORTIFY_SOURCE $(NO_COPIES)
COVERED := $(call objects,$(COVERAGE),$(LIBRARY))
COVERED_TOOL := $(call objects,$(COVERAGE),$(TOOL))
COVERAGE_TABLE := $(call objects,$(COVERAGE),$(HOT_OUT)/hottable.c)

# Only what is measured is instrumented: a test's own lines are no claim about the library.
$(COVERED) $(COVERED_TOOL): COVERAGE_CFLAGS += --coverage
CC_COVERAGE = $(CC) $(COVERAGE_CFLAGS) -MMD -MP
$(COVERAGE)/%.o: %.c $$(call unless_made_by,$$(CC_COVERAGE)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$< (for coverage),$(CC_COVERAGE),-c $< -o $@)

$(COVERAGE)/host-tests: $(COVERED) $(COVERAGE_TABLE) $(call objects,$(COVERAGE),$(HOST_TESTS))
$(COVERAGE)/host-tests: private COMMAND = $(link_host) --coverage -lcriterion

$(COVERAGE)/krtld: $(COVERED) $(COVERED_TOOL) $(COVERAGE_TABLE)
$(COVERAGE)/krtld: private COMMAND = $(link_host) --coverage
LINKED += $(COVERAGE)/host-tests $(COVERAGE)/krtld

.PHONY: coverage coverage-tools
coverage-tools:
	@command -v lcov >/dev/null || { \
		echo "coverage: there is no lcov; \`make setup coverage\` installs it" >&2; exit 1; }
coverage: coverage-tools $(COVERAGE)/host-tests $(COVERAGE)/krtld test-objects build/bin/krtld
	@$(PYTHON) tests/host/coverage.py $(COVERAGE) tests/host/uncovered.txt
