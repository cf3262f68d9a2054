# What tests/host/libraries.h names: static libraries of the system as objects that krtld loads. The
# members of an archive refer to each other in circles, and through hidden symbols, which modules
# may not: `ld -r` makes one object of them, as it makes unix of the kernel's. Included by the
# Makefile; defines TEST_LIBRARIES.

TEST_LIBRARIES := $(foreach l,z lua5.4 sqlite3,build/tests/libraries/$(l).o) \
	build/tests/libraries/z/core.o
test-objects: $(TEST_LIBRARIES)

# whole: the command for a library, and which copy of it the system has.
archive_of = $(shell $(CC) -print-file-name=lib$(1).a)
whole = $(LD) -r -z noexecstack --whole-archive $(call archive_of,$(1)) -o $@ || \
	{ echo "lib$(1).a: \`make setup' installs it" >&2; exit 1; } \
	\# $(shell stat -Lc '%s %Y' $(call archive_of,$(1)) 2>&1)
build/tests/libraries/%.o: $$(call unless_made_by,$$(call whole,$$*))
	$(call run,LD,$@,$(call whole,$*))

# Members that need each other, in one object; and all of them alone beside it.
build/tests/libraries/z/core.o: private COMMAND = cd $(@D) && $(AR) x $(call archive_of,z) && \
	$(LD) -r -z noexecstack -o $(@F) \
	deflate.o trees.o inflate.o inffast.o inftrees.o infback.o zutil.o
build/tests/libraries/z/core.o: build/tests/libraries/z.o
LINKED += build/tests/libraries/z/core.o
