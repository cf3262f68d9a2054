# Hotinlines in objects that others compiled. Included by the Makefile.

REAL_OUT := build/real/generated
REAL_KRTLD := build/real/krtld

$(REAL_OUT)/hottable.c: tests/real/calls.hot $(HOT_TOOL) $$(call unless_made_by,$$(HOTC))
	$(call run,HOTC,$<,$(HOTC),compile --out $(@D) $< && touch $@)

CC_REAL = $(COMPILE) $(CC) $(filter-out -Igenerated,$(HOST_CFLAGS)) -I$(REAL_OUT) -MMD -MP
build/real/hottable.o: $(REAL_OUT)/hottable.c $$(call unless_made_by,$$(CC_REAL))
	$(call run,CC,$<,$(CC_REAL),-c $< -o $@)

# The host tool with another patch table; all other objects are the same.
$(REAL_KRTLD): $(call objects,build/host,$(LIBRARY) $(TOOL)) build/real/hottable.o
$(REAL_KRTLD): private COMMAND = $(link_host)
LINKED += $(REAL_KRTLD)

tests-built: $(REAL_KRTLD)

##test-real     calls in real libraries as hotinlines: none missed, none invented, each patched
##real-corpus   the same in all kernel modules and archives that make corpus fetched; JOBS=2
.PHONY: test-real real-corpus
test-real: $(REAL_KRTLD) $(TEST_LIBRARIES)
	@$(PYTHON) tests/run.py real
real-corpus: $(REAL_KRTLD)
	@nice -n 10 $(PYTHON) tests/real/corpus.py $(if $(JOBS),--jobs '$(JOBS)')
