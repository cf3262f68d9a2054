/*
 * The debugger's ::whatis: what an address belongs to.
 */
#include "kernel/mdb.h"

static const char *const segments[KRTLD_REGIONS] = {
    [KRTLD_TEXT] = "text", [KRTLD_RODATA] = "read-only data", [KRTLD_DATA] = "data"};

static bool in_module(uint64_t address)
{
	char line[96];

	for (const struct krtld_module *m = krtld.first; m; m = m->next)
		for (unsigned i = 0; i < KRTLD_REGIONS; i++)
			if (address - m->regions[i].address < m->regions[i].size) {
				kprintf("%s, in %s's %s segment",
					mdb_name(address, line, sizeof(line)), m->name,
					segments[i]);
				return true;
			}
	return false;
}

static bool in_thread(uint64_t address)
{
	const struct thread *thread = current;

	do {
		const char *part = address - (uint64_t)thread < sizeof(*thread) ? "structure"
				   : address - (uint64_t)thread->stack < STACK_SIZE && thread->stack
				       ? "stack"
				       : NULL;

		if (part) {
			kprintf("in thread %016lx's %s (%s)", (uint64_t)thread, part, thread->name);
			return true;
		}
		thread = thread->next;
	} while (thread != current);
	return false;
}

static void print_page(uint64_t address)
{
	uint64_t physical;
	bool user;

	if (!paging_lookup(address, &physical, &user))
		kprintf("unknown: nothing is mapped there");
	else if (address - PHYSMAP < PHYSMAP_MAX)
		kprintf("in the map of physical memory: physical address 0x%lx", address - PHYSMAP);
	else
		kprintf("in a page of %s, at physical address 0x%lx",
			user                            ? "a user's"
			: address - kas.base < KAS_SIZE ? "the kernel's, of no module and no thread"
							: "the kernel's, outside its address space",
			physical);
}

void mdb_whatis(struct mdb_call *call)
{
	kprintf("%016lx is ", call->address);
	if (!in_module(call->address) && !in_thread(call->address))
		print_page(call->address);
	kprintf("\n");
}
