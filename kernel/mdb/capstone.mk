# The module `capstone`: the x86 members of Debian's libcapstone.a and the glue of this folder, linked
# into one relocatable object. Included by the Makefile. Where the library is missing the module is
# left out, and the debugger's ::dis shows bytes.

CAPSTONE_LIB := $(filter /%,$(shell $(CC) -print-file-name=libcapstone.a))
CAPSTONE_MEMBERS := cs.o utils.o SStream.o MCInst.o MCInstrDesc.o MCRegisterInfo.o X86%.o
CAPSTONE_GLUE := $(wildcard kernel/mdb/*.c)

ifneq ($(CAPSTONE_LIB),)
KO += build/modules/capstone.ko
endif

# Only what krtld asks a module for stays visible: Capstone's names, and those of a C library, would
# otherwise be exported to every module that is loaded later.
build/modules/capstone.ko: $(call objects,build/kernel,$(CAPSTONE_GLUE)) $(CAPSTONE_LIB)
	$(call say,LD -r,$@)
	@mkdir -p $(@D) && rm -rf build/capstone && mkdir -p build/capstone
	$(Q)cd build/capstone && $(AR) x $(CAPSTONE_LIB) \
		$(filter $(CAPSTONE_MEMBERS),$(shell $(AR) t $(CAPSTONE_LIB)))
	$(Q)$(LD) -r -z noexecstack $(filter %.o,$^) build/capstone/*.o -o build/capstone.o
	$(Q)$(OBJCOPY) --remove-section=.eh_frame --remove-section=.comment \
		--keep-global-symbol=_init --keep-global-symbol=_fini build/capstone.o $@
