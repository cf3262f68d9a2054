# The objects that tests/host/real.c and tests/host/tool.c load: a few sources, each compiled by gcc
# and clang in many ways, and assembled by NASM. Included by the Makefile; defines TEST_OBJECTS.

TEST_OBJECT_FLAGS := -std=gnu11 -ffreestanding -fno-stack-protector -mno-red-zone -fno-common -w \
	-MMD -MP
TEST_OBJECT_WAYS := O0 O1 O2 O3 Os pic noplt kernel large sections common

way_O0 := -O0 -fno-pic
way_O1 := -O1 -fno-pic
way_O2 := -O2 -fno-pic
way_O3 := -O3 -fno-pic
way_Os := -Os -fno-pic
way_pic := -O2 -fPIC
way_noplt := -O2 -fPIC -fno-plt
way_kernel := -O2 -fno-pic -mcmodel=kernel
way_large := -O2 -fno-pic -mcmodel=large
way_sections := -O2 -fno-pic -ffunction-sections -fdata-sections
way_common := -O2 -fno-pic -fcommon

TEST_OBJECTS := $(foreach w,$(TEST_OBJECT_WAYS),$(foreach c,gcc clang, \
	build/tests/objects/calls-$(c)-$(w).o build/tests/objects/data-$(c)-$(w).o)) \
	build/tests/objects/forms-nasm.o
# By this name for goals of files that make reads before this one.
.PHONY: test-objects
test-objects: $(TEST_OBJECTS)

# test_object: the rule for one way. $(1): its name.
define test_object
build/tests/objects/%-gcc-$(1).o: tests/host/objects/%.c \
		$$$$(call unless_made_by,$$$$(GCC) $$$$(TEST_OBJECT_FLAGS) $$$$(way_$(1)))
	$$(call run,,,$$(GCC) $$(TEST_OBJECT_FLAGS) $$(way_$(1)),-c $$< -o $$@)
build/tests/objects/%-clang-$(1).o: tests/host/objects/%.c \
		$$$$(call unless_made_by,$$$$(CLANG) $$$$(TEST_OBJECT_FLAGS) $$$$(way_$(1)))
	$$(call run,,,$$(CLANG) $$(TEST_OBJECT_FLAGS) $$(way_$(1)),-c $$< -o $$@)
endef
$(foreach w,$(TEST_OBJECT_WAYS),$(eval $(call test_object,$(w))))

build/tests/objects/%-nasm.o: tests/host/objects/%.asm $$(call unless_made_by,$$(ASSEMBLE))
	$(call run,,,$(ASSEMBLE),$(assemble))
