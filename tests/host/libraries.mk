# What tests/host/libraries.h names: static libraries of the system as objects that krtld loads. The
# members of an archive refer to each other in circles, and through hidden symbols, which modules
# may not: `ld -r` makes one object of them, as it makes unix of the kernel's. Included by the
# Makefile; defines TEST_LIBRARIES.

TEST_LIBRARIES := $(foreach l,z lua5.4 sqlite3,build/tests/libraries/$(l).o) \
	build/tests/libraries/z/core.o
test-objects: $(TEST_LIBRARIES)

build/tests/libraries/%.o: tests/host/libraries.mk
	$(call say,LD -r,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) -r -z noexecstack --whole-archive -o $@ $$($(CC) -print-file-name=lib$*.a) || \
		{ echo "lib$*.a: \`make setup' installs it" >&2; exit 1; }

# Members that need each other, in one object; and all of them alone beside it.
build/tests/libraries/z/core.o: tests/host/libraries.mk
	$(call say,LD -r,$@)
	@mkdir -p $(@D)
	$(Q)cd $(@D) && ar x $$($(CC) -print-file-name=libz.a) && $(LD) -r -z noexecstack -o $(@F) \
		deflate.o trees.o inflate.o inffast.o inftrees.o infback.o zutil.o
