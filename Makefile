# hotinline: one Makefile for all of it. `make help` lists what it can do; V=1 shows the commands;
# whatever it builds lies in build/, and what hotc writes in generated/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules
# Tools sort, and say what they say, in one way everywhere.
export LC_ALL := C.UTF-8
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,$(if $(1),@echo "  $(1)	$(2)"))

# What Debian 12 calls the things that the project needs.
PACKAGES := gcc g++ libc6-dev make binutils clang clang-16 llvm libclang-rt-14-dev nasm cpio qemu-system-x86 \
	gdb libcriterion-dev python3 python3-lark python3-jinja2 python3-pyelftools \
	python3-capstone python3-pytest python3-mypy clang-format cppcheck bear libcapstone-dev \
	grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf bochs bochs-term \
	zlib1g-dev liblua5.4-dev libsqlite3-dev

# What one goal needs besides: `make setup GOAL` installs it too.
PACKAGES_corpus := libstdc++-12-dev
PACKAGES_coverage := lcov
PACKAGES_bench := lld mold llvm-14-tools python3-matplotlib
PACKAGES += $(foreach g,$(MAKECMDGOALS),$(PACKAGES_$(g)))

.PHONY: all run test test-build test-dsl test-host test-qemu lint clean help setup
##setup         install with apt what is missing (as root, or through sudo)
##all           build the host tool, the kernel, its modules and the boot archive

ifneq ($(filter setup clean,$(MAKECMDGOALS)),)
# The rest of this file needs what setup installs, and reads what clean removes: one goal after the
# other, and each of the others starts afresh.
OTHERS := $(filter-out setup clean,$(MAKECMDGOALS))
.PHONY: $(OTHERS)
.NOTPARALLEL:
setup:
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q '^install ok' || \
			missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then echo "setup: nothing is missing"; exit 0; fi; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	install="apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$sudo" ] && ! command -v sudo >/dev/null; then \
		echo "setup: neither root nor sudo here. As root, run:" >&2; \
		echo "    apt-get update && $$install" >&2; exit 1; fi; \
	echo "setup: installing$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); \
	if $$sudo apt-get update >$$log 2>&1 && $$sudo $$install >>$$log 2>&1; then \
		rm -f $$log; echo "setup: done"; \
	else tail -n 20 $$log >&2; rm -f $$log; echo "setup: failed: $$install" >&2; exit 1; fi
$(OTHERS): $(filter setup,$(MAKECMDGOALS))
	@$(MAKE) --no-print-directory $@

##clean         remove build/ and what hotc wrote
clean:
	$(Q)rm -rf build compile_commands.json
	$(Q)find generated -mindepth 1 ! -name README.md -delete
else

# ---- Tools: the user's choice, on the command line or in the environment, else Debian's ----

# tool: $(1) is $(2) unless somebody chose it; make itself would choose cc.
define tool
ifneq ($(filter default undefined,$(origin $(1))),)
$(1) := $(2)
endif
endef
$(foreach t,CC=gcc GCC=gcc CLANG=clang NASM=nasm LD=ld AR=ar OBJCOPY=objcopy,$(eval \
	$(call tool,$(firstword $(subst =, ,$(t))),$(lastword $(subst =, ,$(t))))))
# A Python that has the libraries: the first on PATH may be another than Debian's.
PYTHON = $(eval PYTHON := $(shell for p in /usr/bin/python3 python3; do \
	$$p -c 'import lark, jinja2, elftools, capstone' 2>/dev/null && exec echo $$p; done; \
	echo python3))$(PYTHON)

# ---- What is built depends on the command that builds it ----
#
# A rule has $$(call unless_made_by,COMMAND) among its prerequisites, and $(call run,…,COMMAND) as its
# recipe. Beside the file lies FILE.command: the command that made it, and the size and date of its tools.

.PHONY: force
TOOLS := $(notdir $(shell stat -Lc '%n:%s:%Y' $$(for t in $(CC) $(GCC) $(CLANG) $(NASM) $(LD) \
	$(AR) $(OBJCOPY); do command -v $$t; done) 2>/dev/null))
record = $(strip $(1) with $(foreach w,$(1),$(filter $(notdir $(w)):%,$(TOOLS))))
same = $(and $(findstring <$(1)>,<$(2)>),$(findstring <$(2)>,<$(1)>))
# (GNU make 4.3 does not always take the last line's end away, as $(file <) should.)
# unless_made_by: `force' if $@ was made by another command than $(1), or what it includes is unknown.
unless_made_by = $(if $(and $(call same,$(strip $(file <$@.command)),$(call record,$(1))), \
	$(if $(filter -M%,$(1)),$(wildcard $(basename $@).d),yes)),,force)
# run: carries out $(3), to which $(4) is added. $(1) and $(2) are what is said.
define run
$(call say,$(1),$(2))
@mkdir -p $(@D)
$(Q)$(3) $(4)
@printf '%s\n' '$(subst ','\'',$(call record,$(3)))' >$@.command
endef
# The prerequisites of a file in $(LINKED) are objects, and its COMMAND is one of these or its own.
objects_of = $(filter %.o,$^)
link_host = $(CC) $(HOST_CFLAGS) $(LDFLAGS) $(objects_of) -o $@
link_test = $(CC) $(TEST_CFLAGS) $(LDFLAGS) $(objects_of) -o $@
link_relocatable = $(LD) -r -z noexecstack $(objects_of) -o $@

# ---- Sources, one list for kernel, boot program, host tool and tests ----

ABI := amd64
LIBRARY := $(wildcard alternatives/*.c alternatives/arch/$(ABI)/*.c \
	loader/*.c loader/arch/$(ABI)/*.c)
TOOL := $(wildcard loader/tool/*.c)
BOOT := $(wildcard kernel/boot/*.c kernel/boot/*.asm kernel/common/*.c) \
	kernel/arch/$(ABI)/trap_names.c
UNIX := $(wildcard kernel/*.c kernel/common/*.c kernel/arch/$(ABI)/*.c kernel/arch/$(ABI)/*.asm)
MODULES := $(wildcard kernel/modules/*.c kernel/modules/*.asm)
TEST_MODULES := $(wildcard tests/qemu/modules/*.c tests/qemu/modules/*.asm)
USER_C := $(wildcard kernel/user/*.c)
TEST_USER_C := $(wildcard tests/qemu/user/*.c)
USER_LIBRARY := $(wildcard kernel/user/lib/*.c kernel/user/lib/*.asm) kernel/common/string.c \
	kernel/common/print.c
HOST_TESTS := $(wildcard tests/host/*.c)

objects = $(addprefix $(1)/,$(addsuffix .o,$(basename $(2))))

# ---- Flags ----
#
# The user's CPPFLAGS, CFLAGS and LDFLAGS, and NASMFLAGS, are added to ours, which are variables of
# their own: in front of them what we want, after them what has to be so. A kernel has no C library,
# no red zone and no tables for exceptions, whatever a distribution wants for its programs.

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
WANTED := -g $(WARN)
NEEDED := $(CPPFLAGS) $(CFLAGS) -std=gnu11 -I. -Igenerated
FREESTANDING := -ffreestanding -fno-pic -fno-pie -fno-lto -fno-stack-protector \
	-fno-stack-clash-protection -fno-exceptions -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-common
KERNEL_CFLAGS := $(WANTED) -O2 $(NEEDED) $(FREESTANDING) -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-omit-frame-pointer -fno-optimize-sibling-calls
USER_CFLAGS := $(WANTED) -O2 $(NEEDED) $(FREESTANDING) -ffunction-sections -fdata-sections
HOST_CFLAGS := $(WANTED) -O2 $(NEEDED)
# known: the first of these options that the C compiler knows. Debian's gcc knows the first; others are
# asked.
known = $(if $(filter gcc,$(CC)),$(firstword $(1)),$(shell for o in $(1); do \
	$(CC) $$o -c -x c /dev/null -o /dev/null 2>/dev/null && exec echo $$o; done))
comma := ,
# Jumps that cross 32 bytes are slow on many Intel CPUs (erratum "Jump Conditional Code"), and where
# they lie is chance: a loop measured today would be another one tomorrow.
HOST_ASFLAGS := $(call known,-Wa$(comma)-mbranches-within-32B-boundaries \
	-mbranches-within-32B-boundaries)
# No copies of the C library's data in the tests' program: what is loaded into it uses the library's.
NO_COPIES := $(call known,-mno-direct-extern-access -fno-direct-access-external-data)
TEST_CFLAGS := $(WANTED) -O1 $(NEEDED) -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
NASM_FLAGS := -g -F dwarf -w+error $(NASMFLAGS) -f elf64 -I./ -Igenerated/

# Debug information names the folder that it was made in: it must not be another one elsewhere.
COMPILE := PWD=/proc/self/cwd
CC_KERNEL = $(COMPILE) $(CC) $(KERNEL_CFLAGS) -MMD -MP
CC_USER = $(COMPILE) $(CC) $(USER_CFLAGS) -MMD -MP
CC_HOST = $(COMPILE) $(CC) $(HOST_CFLAGS) $(HOST_ASFLAGS) -MMD -MP
CC_TEST = $(COMPILE) $(CC) $(TEST_CFLAGS) $(NO_COPIES) -MMD -MP
# NASM names an object's includes only when asked for nothing else.
ASSEMBLE = $(NASM) $(NASM_FLAGS) -MP
define assemble
-M -MF $(@:.o=.d) -MT $@ $<
$(Q)$(NASM) $(NASM_FLAGS) $< -o $@
endef

# ---- What hotc writes ----

HOT_OUT := generated
HOT_FILES := $(sort $(wildcard alternatives/*.hot))
ifneq ($(filter-out help,$(or $(MAKECMDGOALS),all)),)
include $(HOT_OUT)/hot.mk
endif
ifndef HOT_STAMP
# The first time, or if it is empty; from then on hot.mk says itself when hotc has to run again.
$(HOT_OUT)/hot.mk: force
	$(call say,HOTC,$(HOT_OUT))
	$(Q)dsl/hotc compile --nasm nasm --out $(HOT_OUT) $(HOT_FILES)
endif

# ---- all ----

all: build/bin/krtld build/kernel/boot.elf build/boot.cpio

build/kernel/%.o: %.c $$(call unless_made_by,$$(CC_KERNEL)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$<,$(CC_KERNEL),-c $< -o $@)
build/kernel/%.o: %.asm $$(call unless_made_by,$$(ASSEMBLE)) | $(HOT_OUT)/hotinline.h
	$(call run,NASM,$<,$(ASSEMBLE),$(assemble))
build/host/%.o: %.c $$(call unless_made_by,$$(CC_HOST)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$<,$(CC_HOST),-c $< -o $@)
build/tests/%.o: %.c $$(call unless_made_by,$$(CC_TEST)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$<,$(CC_TEST),-c $< -o $@)

LINKED := build/bin/krtld build/kernel/boot.elf build/kernel/unix.o
build/bin/krtld: $(call objects,build/host,$(LIBRARY) $(TOOL) $(HOT_OUT)/hottable.c)
build/bin/krtld: private COMMAND = $(link_host)

build/kernel/boot.elf: kernel/boot/boot.ld $(call objects,build/kernel,$(BOOT) $(LIBRARY) \
		$(HOT_OUT)/hottable.c)
build/kernel/boot.elf: private COMMAND = $(LD) -nostdlib -static -z noexecstack \
	-z max-page-size=4096 --build-id=none -T kernel/boot/boot.ld $(objects_of) -o $@

# unix stays relocatable: its relocations are the record of its sites.
build/kernel/unix.o: $(call objects,build/kernel,$(UNIX) $(LIBRARY) $(HOT_OUT)/hottable.c \
		$(HOT_OUT)/hotstubs.asm)
build/kernel/unix.o: private COMMAND = $(link_relocatable)

# A module exports what it marks (MODULE_EXPORT): all its other names are its own.
build/kernel/kernel/modules/%.o build/kernel/tests/qemu/modules/%.o: \
	KERNEL_CFLAGS += -fvisibility=hidden

KO := $(foreach m,$(MODULES),build/modules/$(basename $(notdir $(m))).ko)
include $(wildcard kernel/mdb/capstone.mk)
$(filter-out build/modules/capstone.ko,$(KO)): build/modules/%.ko: build/kernel/kernel/modules/%.o
TEST_KO := $(foreach m,$(TEST_MODULES),build/tests/modules/$(basename $(notdir $(m))).ko)
$(TEST_KO): build/tests/modules/%.ko: build/kernel/tests/qemu/modules/%.o
$(filter-out build/modules/capstone.ko,$(KO)) $(TEST_KO): $$(call unless_made_by,cp)
	$(call run,,,cp,$(objects_of) $@)

build/user/objects/%.o: %.c $$(call unless_made_by,$$(CC_USER)) | $(HOT_OUT)/hotinline.h
	$(call run,CC,$< (for users),$(CC_USER),-c $< -o $@)
build/user/objects/%.o: %.asm $$(call unless_made_by,$$(ASSEMBLE)) | $(HOT_OUT)/hotinline.h
	$(call run,NASM,$< (for users),$(ASSEMBLE),$(assemble))

PROGRAMS := $(patsubst kernel/user/%.c,build/user/%,$(USER_C))
TEST_PROGRAMS := $(patsubst tests/qemu/user/%.c,build/tests/user/%,$(TEST_USER_C))
$(PROGRAMS): build/user/%: build/user/objects/kernel/user/%.o
$(TEST_PROGRAMS): build/tests/user/%: build/user/objects/tests/qemu/user/%.o
LINKED += $(PROGRAMS) $(TEST_PROGRAMS)
$(PROGRAMS) $(TEST_PROGRAMS): kernel/user/user.ld $(call objects,build/user/objects,$(USER_LIBRARY))
$(PROGRAMS) $(TEST_PROGRAMS): private COMMAND = $(LD) -nostdlib -static -z noexecstack \
	-z max-page-size=4096 --build-id=none --gc-sections -T kernel/user/user.ld $(objects_of) -o $@

# archive: a cpio of a staged tree, stripped of what only a debugger reads; times and modes are not the
# day's and the user's.
define archive
	rm -rf $@.d && mkdir -p $@.d/modules $@.d/bin
	$(Q)$(OBJCOPY) --strip-debug build/kernel/unix.o $@.d/unix
	$(Q)for m in $(filter %.ko,$^); do $(OBJCOPY) --strip-debug $$m $@.d/modules/$${m##*/} || exit 1; done
	$(Q)for p in $(filter build/user/% build/tests/user/%,$^); do \
		$(OBJCOPY) --strip-debug $$p $@.d/bin/$${p##*/} || exit 1; done
	$(Q)chmod -R u=rwX,go=rX $@.d && find $@.d -exec touch -h -d @0 {} +
	$(Q)(cd $@.d && find . -mindepth 1 | LC_ALL=C sort | \
		cpio --quiet -o -H newc --reproducible -R 0:0) >$@
endef
ARCHIVES := build/boot.cpio build/tests/boot.cpio
build/boot.cpio: build/kernel/unix.o $(KO) $(PROGRAMS) build/names.checked
build/tests/boot.cpio: build/kernel/unix.o $(KO) $(TEST_KO) $(PROGRAMS) $(TEST_PROGRAMS)
$(ARCHIVES): $$(call unless_made_by,$$(archive))
	$(call run,CPIO,$@,$(archive))

# A module may name only what unix, another module or a declaration defines.
build/names.checked: build/kernel/unix.o $(KO) $(HOT_OUT)/hotinline.json $(HOT_TOOL)
build/names.checked: private COMMAND = $(call hot-check,build/kernel/unix.o,$(KO)) && touch $@
build/names.checked: $$(call unless_made_by,$$(COMMAND))
	$(call run,CHECK,names in unix and its modules,$(COMMAND))

# ---- run ----

##run           boot in QEMU and show functions before and after; CPU= ARGS= SMP= MACHINE= MEM=
run: all
	@$(PYTHON) kernel/qemu/run.py $(if $(CPU),--cpu '$(CPU)') $(if $(ARGS),--args '$(ARGS)') \
		$(if $(SMP),--smp '$(SMP)') $(if $(MACHINE),--machine '$(MACHINE)') \
		$(if $(MEM),--mem '$(MEM)')

##iso           build/hotinline.iso, which boots under BIOS and UEFI and on a real PC; ARGS=
.PHONY: iso
iso: all
	$(call say,ISO,build/hotinline.iso)
	$(Q)$(PYTHON) kernel/qemu/iso.py --args '$(ARGS)' build/hotinline.iso

##smap          how SMAP was first accepted, on many machines and in Bochs: a table; ONLY=
.PHONY: smap
smap: all
	@$(PYTHON) kernel/qemu/smap.py --only '$(ONLY)'

# ---- tests ----

##test          every test, suite by suite; ends in one count
##test-build    make: what is made again, and what is not
##test-host     the engine and krtld, on the host, with sanitizers
##test-dsl      hotc
##test-qemu     the kernel on a matrix of machines
test: all tests-built
	@$(PYTHON) tests/run.py qemu dsl host build oracle real bench fuzz mutants
test-build: all
	@$(PYTHON) tests/run.py build
test-host: build/tests/host-tests build/bin/krtld
	@$(PYTHON) tests/run.py host
test-dsl: all
	@$(PYTHON) tests/run.py dsl
test-qemu: all build/tests/boot.cpio
	@$(PYTHON) tests/run.py qemu
##storm         NMIs, a fast timer, modules that come and go; WINDOWS= (a million)
.PHONY: storm
storm: all build/tests/boot.cpio
	@$(PYTHON) tests/qemu/storm.py $(WINDOWS)
.PHONY: tests-built
tests-built: build/tests/host-tests build/tests/boot.cpio

##fuzz-syscalls  random system calls from user mode, on three machines; SECONDS=300
.PHONY: fuzz-syscalls
fuzz-syscalls: all
	@$(PYTHON) tests/fuzz/syscalls.py --seconds '$(or $(SECONDS),300)'

# Suites with rules of their own keep them beside their sources.
include $(wildcard tests/*/*.mk)
LINKED += build/tests/host-tests
build/tests/host-tests: $(call objects,build/tests,$(HOST_TESTS) $(LIBRARY) $(HOT_OUT)/hottable.c)
build/tests/host-tests: private COMMAND = $(link_test) -lcriterion
# It loads these, and is not linked with them.
build/tests/host-tests: | $(TEST_OBJECTS) $(TEST_LIBRARIES)

$(LINKED): $$(call unless_made_by,$$(COMMAND))
	$(call run,LD,$@,$(COMMAND))

# ---- lint and the rest ----

FOLDERS := alternatives dsl kernel loader tests
C_FILES = $(filter-out tests/dsl/golden/%,$(shell find $(FOLDERS) -name '*.[ch]' -type f))
PY_FILES = dsl/hotc $(shell find $(FOLDERS) -name '*.py' -type f)
##lint          clang-format, both compilers' warnings, cppcheck, mypy, and ruff where there is one
lint: all tests-built
	$(call say,FORMAT,clang-format)
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	$(call say,WARN,clang)
	$(Q)for f in $(filter %.c,$(LIBRARY) $(UNIX) $(BOOT) $(MODULES) $(USER_C)) $(HOT_OUT)/hottable.c; do \
		$(CLANG) $(KERNEL_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(Q)for f in $(TOOL) $(HOST_TESTS) $(wildcard tests/bench/*.c); do \
		$(CLANG) $(HOST_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(Q)for f in $(wildcard tests/fuzz/*.c); do \
		$(CLANG) -Itests/fuzz $(HOST_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(call say,CHECK,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. -I$(HOT_OUT) \
		--enable=warning,performance,portability $(LIBRARY) $(TOOL) \
		$(filter %.c,$(UNIX) $(BOOT) $(MODULES) $(USER_C))
	$(call say,CHECK,mypy)
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter dsl/% tests/dsl/%,$(PY_FILES))
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter kernel/% tests/qemu/% \
		tests/fuzz/syscalls.py tests/bench/boot.py,$(PY_FILES))
	$(Q)$(PYTHON) -m mypy --no-error-summary tests/run.py $(filter tests/host/%,$(PY_FILES)) \
		$(filter-out %/syscalls.py,$(filter tests/fuzz/%,$(PY_FILES)))
	$(Q)$(PYTHON) -m mypy --no-error-summary \
		$(filter-out %/boot.py,$(filter tests/bench/%,$(PY_FILES)))
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter tests/real/%,$(PY_FILES))
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter tests/oracle/%,$(PY_FILES))
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter tests/build/%,$(PY_FILES))
	$(Q)$(PYTHON) -m mypy --no-error-summary $(filter tests/mutants/%,$(PY_FILES))
	$(Q)if command -v ruff >/dev/null; then ruff check $(PY_FILES); fi
	@echo "lint: clean"

##compile_commands.json  for editors (through bear, which watches a full build)
compile_commands.json: $(HOT_OUT)/hotinline.h
	$(Q)bear --output $@ -- $(MAKE) --no-print-directory -B all tests-built

##help          this list
help:
	@sed -n 's/^##/  /p' Makefile tests/*/*.mk | sort

-include $(shell find build -name '*.d' -type f 2>/dev/null)
endif
