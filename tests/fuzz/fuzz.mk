# The fuzz targets (README.md). Included by the Makefile. Objects and programs lie in build/fuzz:
# with libFuzzer for `make fuzz`, without it and by gcc for `make test`, which replays.

FUZZ_TARGETS := krtld patch
FUZZ_SHARED := tests/fuzz/scene.c tests/fuzz/check.c $(addprefix tests/host/, \
	world.c table.c bytes.c near.c object.c image.c sample.c)
FUZZ_LIBRARY := $(LIBRARY)
FUZZ_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := $(WANTED) -O2 $(NEEDED) -Itests/fuzz -fno-omit-frame-pointer

# Only the code under test is instrumented for coverage, so that it alone guides the fuzzer. Its
# comparisons are not traced: the mutator knows the values that matter, and tracing halves the speed.
build/fuzz/objects/loader/%.o build/fuzz/objects/alternatives/%.o: FUZZ_GUIDE := \
	-fsanitize-coverage=inline-8bit-counters,pc-table
FUZZ_CLANG = $(COMPILE) $(CLANG) $(FUZZ_CFLAGS) $(FUZZ_SANITIZERS) $(FUZZ_GUIDE) -MMD -MP
build/fuzz/objects/%.o: %.c $$(call unless_made_by,$$(FUZZ_CLANG)) | $(HOT_OUT)/hotinline.h
	$(call run,CLANG,$< (fuzz),$(FUZZ_CLANG),-c $< -o $@)

$(FUZZ_TARGETS:%=build/fuzz/bin/%): build/fuzz/bin/%: build/fuzz/objects/tests/fuzz/%.o \
		build/fuzz/objects/tests/fuzz/mutate.o build/fuzz/objects/tests/fuzz/mutate_%.o \
		$(call objects,build/fuzz/objects,$(FUZZ_SHARED) $(FUZZ_LIBRARY))
$(FUZZ_TARGETS:%=build/fuzz/bin/%): private COMMAND = $(CLANG) $(FUZZ_SANITIZERS) \
	-fsanitize=fuzzer $(objects_of) -o $@
LINKED += $(FUZZ_TARGETS:%=build/fuzz/bin/%)

# ---- Replay ----

CC_REPLAY = $(CC_TEST) -Itests/fuzz
build/fuzz/replay/%.o: %.c $$(call unless_made_by,$$(CC_REPLAY)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$< (replay),$(CC_REPLAY),-c $< -o $@)

FUZZ_REPLAYED := $(call objects,build/fuzz/replay,$(FUZZ_SHARED)) \
	$(call objects,build/tests,$(LIBRARY))
FUZZ_REPLAY := $(FUZZ_TARGETS:%=build/fuzz/bin/%-replay)
FUZZ_PLANTED := $(FUZZ_TARGETS:%=build/fuzz/bin/%-planted)
FUZZ_REPLAYERS := $(FUZZ_REPLAY) $(FUZZ_PLANTED)
$(FUZZ_REPLAY): build/fuzz/bin/%-replay: build/fuzz/replay/tests/fuzz/%.o
$(FUZZ_PLANTED): build/fuzz/bin/%-planted: build/fuzz/replay/tests/fuzz/%.o \
		build/fuzz/replay/tests/fuzz/planted.o
$(FUZZ_REPLAYERS): build/fuzz/replay/tests/fuzz/replay.o $(FUZZ_REPLAYED)
$(FUZZ_REPLAY): private COMMAND = $(link_test)
$(FUZZ_PLANTED): private COMMAND = $(link_test) -Wl,--wrap=krtld_place,--wrap=krtld_unplace \
	-Wl,--wrap=do_hotinlines
LINKED += $(FUZZ_REPLAYERS)

# ---- Seeds: small objects of real compilers, and made ones ----

build/fuzz/bin/seeds: $(call objects,build/fuzz/replay,tests/fuzz/seeds.c $(filter tests/host/%, \
		$(FUZZ_SHARED))) $(call objects,build/tests,$(LIBRARY))
build/fuzz/bin/seeds: private COMMAND = $(link_test)
LINKED += build/fuzz/bin/seeds

define make_seeds
	rm -rf $(@D) && mkdir -p $(@D)/krtld $(@D)/patch
	$(Q)for o in $(TEST_OBJECTS); do \
		$(OBJCOPY) --strip-debug $$o $(@D)/krtld/$${o##*/} || exit 1; done
	$(Q)ASAN_OPTIONS=detect_leaks=0 build/fuzz/bin/seeds $(@D)/krtld
endef
build/fuzz/seeds/made: build/fuzz/bin/seeds tests/fuzz/seeds.py $$(TEST_OBJECTS)
build/fuzz/seeds/made: $$(call unless_made_by,$$(make_seeds))
	$(call run,SEEDS,$(@D),$(make_seeds),&& \
		$(PYTHON) tests/fuzz/seeds.py $(@D)/patch $(@D)/krtld/*.o && touch $@)

# ---- Goals ----

FUZZ_COVER := $(FUZZ_TARGETS:%=build/fuzz/bin/%-cover)
##test-fuzz     the corpora and every crash, replayed; planted bugs must be found by them
.PHONY: test-fuzz
tests-built test-fuzz: $(FUZZ_REPLAYERS) build/fuzz/seeds/made
test-fuzz:
	@$(PYTHON) tests/run.py fuzz

##fuzz          random objects against krtld and the engine; TIME= seconds for each target, JOBS=
.PHONY: fuzz fuzz-cover fuzz-merge
fuzz: $(FUZZ_TARGETS:%=build/fuzz/bin/%) $(FUZZ_REPLAYERS) build/fuzz/seeds/made
	@$(PYTHON) tests/fuzz/fuzz.py --seconds '$(or $(TIME),60)' --jobs '$(or $(JOBS),1)' \
		$(FUZZ_TARGETS)

##fuzz-cover    lines of loader/ and alternatives/ that the inputs found so far reach
fuzz-cover: $(FUZZ_COVER)
	@$(PYTHON) tests/fuzz/corpus.py cover $(FUZZ_TARGETS)
FUZZ_CLANG_COVER = $(CLANG) $(FUZZ_CFLAGS) -fprofile-instr-generate -fcoverage-mapping -MMD -MP
build/fuzz/cover/%.o: %.c $$(call unless_made_by,$$(FUZZ_CLANG_COVER)) | $(HOT_OUT)/hotinline.h
	$(call run,CLANG,$< (cover),$(FUZZ_CLANG_COVER),-c $< -o $@)
$(FUZZ_COVER): build/fuzz/bin/%-cover: $(call objects,build/fuzz/cover,$(FUZZ_SHARED) $(LIBRARY) \
		tests/fuzz/replay.c) build/fuzz/cover/tests/fuzz/%.o
$(FUZZ_COVER): private COMMAND = $(CLANG) -fprofile-instr-generate $(objects_of) -o $@
LINKED += $(FUZZ_COVER)

##fuzz-merge    put the fewest inputs that reach all that is reached into tests/fuzz/corpus
fuzz-merge: $(FUZZ_TARGETS:%=build/fuzz/bin/%) build/fuzz/seeds/made
	@$(PYTHON) tests/fuzz/corpus.py merge $(FUZZ_TARGETS)

# ---- Curves: krtld as it is, and krtld that counts its steps ----

FUZZ_CURVES := build/fuzz/bin/curve-time build/fuzz/bin/curve-steps
FUZZ_CURVE := $(addprefix tests/fuzz/,curve.c curve_files.c) tests/host/table.c tests/host/bytes.c
CC_CURVE = $(COMPILE) $(CC) $(WANTED) -O1 $(NEEDED) -Itests/fuzz -MMD -MP
CC_STEPS = $(CC_HOST) -fsanitize-coverage=trace-pc
build/fuzz/curve/%.o: %.c $$(call unless_made_by,$$(CC_CURVE)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$< (curve),$(CC_CURVE),-c $< -o $@)
build/fuzz/steps/%.o: %.c $$(call unless_made_by,$$(CC_STEPS)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$< (steps),$(CC_STEPS),-c $< -o $@)
build/fuzz/bin/curve-time: $(call objects,build/host,$(LIBRARY))
build/fuzz/bin/curve-steps: $(call objects,build/fuzz/steps,$(LIBRARY))
$(FUZZ_CURVES): $(call objects,build/fuzz/curve,$(FUZZ_CURVE))
$(FUZZ_CURVES): private COMMAND = $(link_host) -Wl,--wrap=memcpy,--wrap=memset,--wrap=memcmp
LINKED += $(FUZZ_CURVES)

##fuzz-curve    time and memory of crafted objects of growing size; CASES=
.PHONY: fuzz-curve
fuzz-curve: $(FUZZ_CURVES)
	@$(PYTHON) tests/fuzz/curve.py $(CASES)
tests-built test-fuzz: $(FUZZ_CURVES)
