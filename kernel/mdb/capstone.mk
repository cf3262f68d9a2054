# The module `capstone`: the x86 members of Debian's libcapstone.a and the glue of this folder, linked
# into one relocatable object. Included by the Makefile. Where the library is missing the module is
# left out, and the debugger's ::dis shows bytes.

CAPSTONE_LIB := $(filter /%,$(shell $(CC) -print-file-name=libcapstone.a))
CAPSTONE_COPY := $(shell stat -Lc '%s %Y' $(CAPSTONE_LIB) 2>&1)
CAPSTONE_MEMBERS := (cs|utils|SStream|MCInst|MCInstrDesc|MCRegisterInfo|X86.*)\.o
CAPSTONE_GLUE := $(wildcard kernel/mdb/*.c)

ifneq ($(CAPSTONE_LIB),)
KO += build/modules/capstone.ko
endif

# Only what krtld asks a module for stays visible: Capstone's names, and those of a C library, would
# otherwise be exported to every module that is loaded later.
define capstone
	rm -rf build/capstone && mkdir -p build/capstone # $(CAPSTONE_COPY)
	$(Q)cd build/capstone && $(AR) x $(CAPSTONE_LIB) \
		$$($(AR) t $(CAPSTONE_LIB) | grep -xE '$(CAPSTONE_MEMBERS)')
	$(Q)$(LD) -r -z noexecstack $(objects_of) build/capstone/*.o -o build/capstone.o
	$(Q)$(OBJCOPY) --remove-section=.eh_frame --remove-section=.comment \
		--keep-global-symbol=_init --keep-global-symbol=_fini build/capstone.o $@
endef
build/modules/capstone.ko: $(call objects,build/kernel,$(CAPSTONE_GLUE))
build/modules/capstone.ko: private COMMAND = $(capstone)
LINKED += build/modules/capstone.ko
