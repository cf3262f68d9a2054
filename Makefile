# hotinline: one Makefile for all of it. `make help` lists what it can do; V=1 shows the commands;
# whatever it builds lies in build/, and what hotc writes in generated/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@echo "  $(1)	$(2)")

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

.PHONY: all run test test-dsl test-host test-qemu lint clean help setup
##setup         install with apt what is missing (as root, or through sudo)
##all           build the host tool, the kernel, its modules and the boot archive

ifneq ($(filter setup,$(MAKECMDGOALS)),)
# The rest of this file needs what setup installs: the other goals start afresh behind it.
after := $(filter-out setup,$(MAKECMDGOALS))
.PHONY: $(after)
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
$(after): setup
	@$(MAKE) --no-print-directory $@
else

CC := gcc
CLANG := clang
NASM := nasm
LD := ld
OBJCOPY := objcopy
# A Python that has the libraries: the first on PATH may be another than Debian's.
PYTHON := $(firstword $(foreach p,/usr/bin/python3 python3,$(shell \
	$(p) -c 'import lark, jinja2, elftools, capstone' 2>/dev/null && echo $(p))) python3)

# ---- Sources, one list for kernel, boot program, host tool and tests ----

ABI := amd64
LIBRARY := $(wildcard alternatives/*.c alternatives/arch/$(ABI)/*.c \
	loader/arch/$(ABI)/*.c) $(filter-out loader/tool%.c,$(wildcard loader/*.c))
TOOL := $(wildcard loader/tool*.c)
BOOT := $(wildcard kernel/boot/*.c kernel/boot/*.asm kernel/common/*.c)
UNIX := $(wildcard kernel/*.c kernel/common/*.c kernel/arch/$(ABI)/*.c kernel/arch/$(ABI)/*.asm)
MODULES := $(wildcard kernel/modules/*.c kernel/modules/*.asm)
TEST_MODULES := $(wildcard tests/qemu/modules/*.c tests/qemu/modules/*.asm)
USER := $(wildcard kernel/user/*.c)
TEST_USER := $(wildcard tests/qemu/user/*.c)
USER_LIBRARY := $(wildcard kernel/user/lib/*.c kernel/user/lib/*.asm) kernel/common/string.c \
	kernel/common/print.c
HOST_TESTS := $(wildcard tests/host/*.c)

objects = $(addprefix $(1)/,$(addsuffix .o,$(basename $(2))))

# ---- Flags ----

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
CFLAGS := -std=gnu11 -g $(WARN) -I. -Igenerated
KERNEL_CFLAGS := $(CFLAGS) -O2 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-common -fno-omit-frame-pointer \
	-fno-optimize-sibling-calls
USER_CFLAGS := $(CFLAGS) -O2 -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-common \
	-ffunction-sections -fdata-sections
HOST_CFLAGS := $(CFLAGS) -O2
# Jumps that cross 32 bytes are slow on many Intel CPUs (erratum "Jump Conditional Code"), and where
# they lie is chance: a loop measured today would be another one tomorrow.
HOST_ASFLAGS := -Wa,-mbranches-within-32B-boundaries
TEST_CFLAGS := $(CFLAGS) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
# No copies of the C library's data in the tests' program: what is loaded into it uses the library's.
NO_COPIES := -mno-direct-extern-access
TEST_CFLAGS += $(NO_COPIES)
NASMFLAGS := -f elf64 -g -F dwarf -I./ -Igenerated/ -w+error

# ---- What hotc writes ----

HOT_OUT := generated
HOT_FILES := $(sort $(wildcard alternatives/*.hot))
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),all)),)
include $(HOT_OUT)/hot.mk
endif
ifeq ($(wildcard $(HOT_OUT)/hot.mk),)
# The first time; from then on hot.mk says itself when hotc has to run again.
$(HOT_OUT)/hot.mk:
	$(call say,HOTC,$(HOT_OUT))
	$(Q)dsl/hotc compile --out $(HOT_OUT) $(HOT_FILES)
	@touch $(HOT_OUT)/hotc.stamp
endif

# ---- all ----

all: build/bin/krtld build/kernel/boot.elf build/boot.cpio

build/kernel/%.o: %.c | $(HOT_OUT)/hotinline.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c $< -o $@

# NASM names an object's includes only when asked for nothing else.
build/kernel/%.o: %.asm | $(HOT_OUT)/hotinline.h
	$(call say,NASM,$<)
	@mkdir -p $(@D)
	$(Q)$(NASM) $(NASMFLAGS) -M -MF $(@:.o=.d) -MT $@ $<
	$(Q)$(NASM) $(NASMFLAGS) $< -o $@

build/host/%.o: %.c | $(HOT_OUT)/hotinline.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(HOST_ASFLAGS) -MMD -MP -c $< -o $@

build/tests/%.o: %.c | $(HOT_OUT)/hotinline.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -MMD -MP -c $< -o $@

build/bin/krtld: $(call objects,build/host,$(LIBRARY) $(TOOL) $(HOT_OUT)/hottable.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $^ -o $@

build/kernel/boot.elf: kernel/boot/boot.ld $(call objects,build/kernel,$(BOOT) $(LIBRARY) \
		$(HOT_OUT)/hottable.c)
	$(call say,LD,$@)
	$(Q)$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none -T $^ -o $@

# unix stays relocatable: its relocations are the record of its sites.
build/kernel/unix.o: $(call objects,build/kernel,$(UNIX) $(LIBRARY) $(HOT_OUT)/hottable.c \
		$(HOT_OUT)/hotstubs.asm)
	$(call say,LD -r,$@)
	$(Q)$(LD) -r -z noexecstack $^ -o $@

KO := $(foreach m,$(MODULES),build/modules/$(basename $(notdir $(m))).ko)
include $(wildcard kernel/mdb/capstone.mk)
build/modules/%.ko: build/kernel/kernel/modules/%.o
	@mkdir -p $(@D)
	$(Q)cp $< $@

TEST_KO := $(foreach m,$(TEST_MODULES),build/tests/modules/$(basename $(notdir $(m))).ko)
build/tests/modules/%.ko: build/kernel/tests/qemu/modules/%.o
	@mkdir -p $(@D)
	$(Q)cp $< $@

build/user/objects/%.o: %.c | $(HOT_OUT)/hotinline.h
	$(call say,CC,$< (for users))
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -MMD -MP -c $< -o $@

build/user/objects/%.o: %.asm
	$(call say,NASM,$< (for users))
	@mkdir -p $(@D)
	$(Q)$(NASM) $(NASMFLAGS) $< -o $@

PROGRAMS := $(patsubst kernel/user/%.c,build/user/%,$(USER))
TEST_PROGRAMS := $(patsubst tests/qemu/user/%.c,build/tests/user/%,$(TEST_USER))
USER_OBJECTS := $(call objects,build/user/objects,$(USER_LIBRARY))
$(PROGRAMS): build/user/%: build/user/objects/kernel/user/%.o
$(TEST_PROGRAMS): build/tests/user/%: build/user/objects/tests/qemu/user/%.o
$(PROGRAMS) $(TEST_PROGRAMS): kernel/user/user.ld $(USER_OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none \
		--gc-sections -T kernel/user/user.ld $(filter %.o,$^) -o $@

# archive: a cpio of a staged tree, stripped of what only a debugger reads. $(1): modules, $(2):
# programs.
define archive
	$(call say,CPIO,$@)
	$(Q)rm -rf $@.d && mkdir -p $@.d/modules $@.d/bin
	$(Q)$(OBJCOPY) --strip-debug build/kernel/unix.o $@.d/unix
	$(Q)for m in $(1); do $(OBJCOPY) --strip-debug $$m $@.d/modules/$${m##*/} || exit 1; done
	$(Q)for p in $(2); do $(OBJCOPY) --strip-debug $$p $@.d/bin/$${p##*/} || exit 1; done
	$(Q)cd $@.d && find . -mindepth 1 | LC_ALL=C sort | \
		cpio --quiet -o -H newc --reproducible -R 0:0 > $(CURDIR)/$@
endef
build/boot.cpio: build/kernel/unix.o $(KO) $(PROGRAMS) build/names.checked
	$(call archive,$(KO),$(PROGRAMS))

build/tests/boot.cpio: build/kernel/unix.o $(KO) $(TEST_KO) $(PROGRAMS) $(TEST_PROGRAMS)
	@mkdir -p $(@D)
	$(call archive,$(KO) $(TEST_KO),$(PROGRAMS) $(TEST_PROGRAMS))

# A module may name only what unix, another module or a declaration defines.
build/names.checked: build/kernel/unix.o $(KO)
	$(call say,CHECK,names in unix and its modules)
	$(Q)$(call hot-check,$<,$(KO))
	@touch $@

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
##test-host     the engine and krtld, on the host, with sanitizers
##test-dsl      hotc
##test-qemu     the kernel on a matrix of machines
test: all tests-built
	@$(PYTHON) tests/run.py host dsl oracle real bench fuzz qemu
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
build/tests/host-tests: $(call objects,build/tests,$(HOST_TESTS) $(LIBRARY) \
		$(HOT_OUT)/hottable.c) $(TEST_OBJECTS) $(TEST_LIBRARIES)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) $(filter-out $(TEST_OBJECTS) $(TEST_LIBRARIES),$^) -lcriterion -o $@

# ---- lint and the rest ----

C_FILES := $(filter-out tests/dsl/golden/%,$(shell git ls-files '*.c' '*.h' 2>/dev/null))
PY_FILES := $(shell git ls-files '*.py' dsl/hotc 2>/dev/null)
##lint          clang-format, both compilers' warnings, cppcheck, mypy, and ruff where there is one
lint: all tests-built
	$(call say,FORMAT,clang-format)
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	$(call say,WARN,clang)
	$(Q)for f in $(filter %.c,$(LIBRARY) $(UNIX) $(BOOT) $(MODULES) $(USER)) $(HOT_OUT)/hottable.c; do \
		$(CLANG) $(KERNEL_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(Q)for f in $(TOOL) $(HOST_TESTS) $(wildcard tests/bench/*.c); do \
		$(CLANG) $(HOST_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(Q)for f in $(wildcard tests/fuzz/*.c); do \
		$(CLANG) -Itests/fuzz $(HOST_CFLAGS) -fsyntax-only $$f || exit 1; done
	$(call say,CHECK,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. -I$(HOT_OUT) \
		--enable=warning,performance,portability $(LIBRARY) $(TOOL) \
		$(filter %.c,$(UNIX) $(BOOT) $(MODULES) $(USER))
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
	$(Q)if command -v ruff >/dev/null; then ruff check $(PY_FILES); fi
	@echo "lint: clean"

##compile_commands.json  for editors (through bear, which watches a full build)
compile_commands.json: $(HOT_OUT)/hotinline.h
	$(Q)bear --output $@ -- $(MAKE) --no-print-directory -B all tests-built

##clean         remove build/ and what hotc wrote
clean:
	$(Q)rm -rf build compile_commands.json
	$(Q)find $(HOT_OUT) -mindepth 1 ! -name README.md -delete

##help          this list
help:
	@sed -n 's/^##/  /p' Makefile tests/*/*.mk | sort

-include $(shell find build -name '*.d' -type f 2>/dev/null)
endif
