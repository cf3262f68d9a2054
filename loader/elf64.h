/*
 * The parts of ELF64 that krtld reads, by the names of the gABI (System V ABI, chapters 4 and 5).
 * krtld is freestanding and so cannot have <elf.h>. For loader/, and for kernel/elf.c,
 * which loads programs.
 */
#ifndef HOTINLINE_LOADER_ELF64_H
#define HOTINLINE_LOADER_ELF64_H

#include <stdint.h>

#define EI_CLASS    4
#define EI_DATA     5
#define EI_VERSION  6
#define EI_NIDENT   16
#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define EV_CURRENT  1
#define ET_REL      1
#define ET_EXEC     2
#define ET_DYN      3

struct elf64_ehdr {
	uint8_t e_ident[EI_NIDENT];
	uint16_t e_type;
	uint16_t e_machine;
	uint32_t e_version;
	uint64_t e_entry;
	uint64_t e_phoff;
	uint64_t e_shoff;
	uint32_t e_flags;
	uint16_t e_ehsize;
	uint16_t e_phentsize;
	uint16_t e_phnum;
	uint16_t e_shentsize;
	uint16_t e_shnum;
	uint16_t e_shstrndx;
};
_Static_assert(sizeof(struct elf64_ehdr) == 64, "gABI figure 4-3");

#define SHN_UNDEF            0
#define SHN_LORESERVE        0xff00
#define SHN_ABS              0xfff1
#define SHN_COMMON           0xfff2
#define SHN_XINDEX           0xffff

#define SHT_NULL             0
#define SHT_PROGBITS         1
#define SHT_SYMTAB           2
#define SHT_STRTAB           3
#define SHT_RELA             4
#define SHT_NOBITS           8
#define SHT_REL              9
#define SHT_NOTE             7
#define SHT_DYNSYM           11
#define SHT_INIT_ARRAY       14
#define SHT_FINI_ARRAY       15
#define SHT_PREINIT_ARRAY    16
#define SHT_GROUP            17
#define SHT_SYMTAB_SHNDX     18
#define SHT_RELR             19
#define SHT_CREL             0x40000014 /* LLVM, of the gABI's next edition */
#define SHT_ANDROID_REL      0x60000001
#define SHT_ANDROID_RELA     0x60000002
#define SHT_LLVM_FIRST       0x6fff4c00 /* LLVM's own: address significance, call graph, … */
#define SHT_LLVM_LAST        0x6fff4cff
#define SHT_ANDROID_RELR     0x6fffff00
#define SHT_GNU_FIRST        0x6ffffff5 /* attributes, hash, library list, versions */
#define SHT_GNU_LAST         0x6fffffff
#define SHT_X86_64_UNWIND    0x70000001 /* psABI: .eh_frame */

#define SHF_WRITE            0x1
#define SHF_ALLOC            0x2
#define SHF_EXECINSTR        0x4
#define SHF_INFO_LINK        0x40
#define SHF_LINK_ORDER       0x80
#define SHF_OS_NONCONFORMING 0x100
#define SHF_TLS              0x400
#define SHF_COMPRESSED       0x800

struct elf64_shdr {
	uint32_t sh_name;
	uint32_t sh_type;
	uint64_t sh_flags;
	uint64_t sh_addr;
	uint64_t sh_offset;
	uint64_t sh_size;
	uint32_t sh_link;
	uint32_t sh_info;
	uint64_t sh_addralign;
	uint64_t sh_entsize;
};
_Static_assert(sizeof(struct elf64_shdr) == 64, "gABI figure 4-8");

#define STB_LOCAL      0
#define STB_GLOBAL     1
#define STB_WEAK       2
#define STB_GNU_UNIQUE 10 /* one for all: C++ objects in COMDAT groups */

#define STT_NOTYPE     0
#define STT_OBJECT     1
#define STT_FUNC       2
#define STT_SECTION    3
#define STT_FILE       4
#define STT_COMMON     5
#define STT_TLS        6
#define STT_GNU_IFUNC  10

#define STV_DEFAULT    0
#define STV_PROTECTED  3

struct elf64_sym {
	uint32_t st_name;
	uint8_t st_info;
	uint8_t st_other;
	uint16_t st_shndx;
	uint64_t st_value;
	uint64_t st_size;
};
_Static_assert(sizeof(struct elf64_sym) == 24, "gABI figure 4-15");

#define ELF64_ST_BIND(info)        ((info) >> 4)
#define ELF64_ST_TYPE(info)        ((info)&0xf)
#define ELF64_ST_VISIBILITY(other) ((other)&0x3)

struct elf64_rela {
	uint64_t r_offset;
	uint64_t r_info;
	int64_t r_addend;
};
_Static_assert(sizeof(struct elf64_rela) == 24, "gABI figure 4-20");

#define ELF64_R_SYM(info)  ((uint32_t)((info) >> 32))
#define ELF64_R_TYPE(info) ((uint32_t)(info))

#endif
