/*
 * Programs: static ELF64 executables (ET_EXEC) of the boot archive, put into the current page
 * tables' low half. Called by process.c. A program is checked as it is loaded; the caller
 * throws away the page tables of one that is refused.
 */
#include "kernel/process.h"
#include "loader/elf64.h"

#define EM_X86_64 62
#define PT_LOAD   1
#define PF_X      1
#define PF_W      2

/* gABI, chapter 5. */
struct elf64_phdr {
	uint32_t p_type;
	uint32_t p_flags;
	uint64_t p_offset;
	uint64_t p_vaddr;
	uint64_t p_paddr;
	uint64_t p_filesz;
	uint64_t p_memsz;
	uint64_t p_align;
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "gABI figure 5-1");

/* Maps zeroed pages for users, of which none may be mapped yet. 0 or -E…. */
int user_map(uint64_t start, uint64_t size, enum prot prot)
{
	for (uint64_t at = start; at < start + size; at += PAGE_SIZE) {
		uint64_t page;

		if (paging_lookup(at, NULL, NULL))
			return -EEXIST;
		page = pages.nfree > PAGES_RESERVED ? page_alloc() : 0;
		if (page && paging_map(at, page, prot))
			continue;
		if (page)
			page_free(page);
		return -ENOMEM;
	}
	return 0;
}

/* Writes to pages that users can perhaps not write to, through the physmap. */
void user_put(uint64_t to, const void *from, size_t n)
{
	const uint8_t *bytes = from;

	while (n) {
		uint64_t physical, room = PAGE_SIZE - (to & PAGE_MASK);
		size_t chunk = n < room ? n : room;

		if (!paging_lookup(to, &physical, NULL))
			panic("user_put: nothing is mapped at %lx", to);
		memcpy(physmap(physical), bytes, chunk);
		to += chunk;
		bytes += chunk;
		n -= chunk;
	}
}

static int load_segment(const struct archive *file, const struct elf64_phdr *segment)
{
	uint64_t start = segment->p_vaddr & ~PAGE_MASK, end;
	enum prot prot = segment->p_flags & PF_X   ? PROT_USER_RX
			 : segment->p_flags & PF_W ? PROT_USER_RW
						   : PROT_USER_R;
	int error;

	if (segment->p_offset > file->size || segment->p_filesz > file->size - segment->p_offset ||
	    segment->p_filesz > segment->p_memsz || segment->p_vaddr < USER_START ||
	    !user_range(segment->p_vaddr, segment->p_memsz) ||
	    (segment->p_flags & (PF_X | PF_W)) == (PF_X | PF_W))
		return -ENOEXEC;
	end = (segment->p_vaddr + segment->p_memsz + PAGE_MASK) & ~PAGE_MASK;
	error = user_map(start, end - start, prot);
	if (error)
		return error == -EEXIST ? -ENOEXEC : error;
	user_put(segment->p_vaddr, file->bytes + segment->p_offset, segment->p_filesz);
	return 0;
}

/* The whole program. 0 or -E…; *entry: its first instruction. */
int elf_load(const struct archive *file, uint64_t *entry)
{
	struct elf64_ehdr header;
	struct elf64_phdr segment;
	int error = 0;

	if (file->size < sizeof(header))
		return -ENOEXEC;
	memcpy(&header, file->bytes, sizeof(header));
	if (memcmp(header.e_ident, "\177ELF\2\1\1", 7) != 0 || header.e_type != ET_EXEC ||
	    header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(segment) ||
	    header.e_phoff > file->size ||
	    header.e_phnum * sizeof(segment) > file->size - header.e_phoff ||
	    !user_range(header.e_entry, 1))
		return -ENOEXEC;
	for (unsigned i = 0; i < header.e_phnum && !error; i++) {
		memcpy(&segment, file->bytes + header.e_phoff + i * sizeof(segment),
		       sizeof(segment));
		if (segment.p_type == PT_LOAD && segment.p_memsz)
			error = load_segment(file, &segment);
	}
	*entry = header.e_entry;
	return error;
}
