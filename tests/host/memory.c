/*
 * The memory that do_hotinlines() is given: a view apart from the text that runs, sites that cross
 * a page, and memory that loses what is written to it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <ucontext.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/near.h"
#include "tests/host/text.h"
#include "tests/host/world.h"

#define PAGE      4096ul
#define TRAP_FLAG 0x100

/* A text of two pages whose one site begins `before` bytes ahead of the second. */
static struct text *crossing(struct near *near, uint32_t before)
{
	struct text *text = text_new(table_machine(table_common(), "up"), 2 * PAGE);

	*near = near_map(2 * PAGE);
	free(text->text.bytes);
	text->text.bytes = near->write;
	text_site(text, PAGE - before, "wpair", HOT_CALL, HOT_WIDE);
	text_seal(text);
	return text;
}

Test(memory, a_site_may_cross_a_page)
{
	for (uint32_t before = 1; before < 12; before++) {
		struct near near;
		struct text *text = crossing(&near, before);

		text_patch(text);
		text_expect(text, PAGE - before, "48 8d 05 @datum-4 e8 @pair_soft-4");
		cr_expect(!memcmp((void *)near.address, near.write, near.size),
			  "the text that runs is another than the one that was written");
		near_unmap(&near);
	}
}

/* Bytes of the second page are wrong: nothing of the first may be written either. */
Test(memory, a_site_that_crosses_a_page_is_checked_on_both)
{
	for (uint32_t before = 1; before < 12; before++) {
		struct near near;
		struct text *text = crossing(&near, before);

		near.write[PAGE] ^= 1;
		text_seal(text);
		text_expect_refusal(text, HOT_E_OLD_BYTES);
		near_unmap(&near);
	}
}

/* ---- A page that loses what is written to it ---- */

static struct {
	uint8_t *page; /* where both appear */
	int keeps;     /* what reads see, as a file */
	int loses;     /* what writes reach */
	unsigned lost; /* writes */
} leaky;

static void show(int fd, int protection)
{
	void *at = mmap(leaky.page, PAGE, protection, MAP_SHARED | MAP_FIXED, fd, 0);

	if (at != leaky.page)
		_exit(99);
}

/* A write faults: it is let through to another page, for one instruction. */
static void on_write(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	if ((uint8_t *)info->si_addr < leaky.page || (uint8_t *)info->si_addr >= leaky.page + PAGE)
		_exit(98);
	leaky.lost++;
	show(leaky.loses, PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	(void)info;
	show(leaky.keeps, PROT_READ);
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

/* From now on a write into that page is lost. */
static void leaky_start(const uint8_t *page)
{
	struct sigaction write = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO};
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	leaky.keeps = memfd_create("keeps", 0);
	leaky.loses = memfd_create("loses", 0);
	cr_assert(!ftruncate(leaky.keeps, PAGE) && !ftruncate(leaky.loses, PAGE));
	cr_assert_eq(pwrite(leaky.keeps, page, PAGE, 0), PAGE);
	leaky.page = (uint8_t *)page;
	cr_assert(!sigaction(SIGSEGV, &write, NULL) && !sigaction(SIGTRAP, &step, NULL));
	show(leaky.keeps, PROT_READ);
}

Test(memory, writes_that_are_lost_are_found_by_reading_back)
{
	struct near near = near_map(PAGE);
	struct text *text = text_new(table_machine(table_common(), "smap"), PAGE);
	struct hot_error error;

	free(text->text.bytes);
	text->text.bytes = near.write;
	text_site(text, 0x10, "xsmap", HOT_CALL, 0);
	text_seal(text);
	leaky_start(near.write);
	cr_expect(!do_hotinlines(text->machine, &text->text, 1, &error), "it went unnoticed");
	cr_expect_eq(error.reason, HOT_E_VERIFY, "%s", hot_reason_text(error.reason));
	cr_expect_eq(error.address, TEXT_RUNS + 0x10);
	cr_expect_eq(error.size, 5);
	cr_expect(leaky.lost > 0, "nothing was ever written");
	bytes_expect("found", error.found, text->before + 0x10, 5);
	text_expect_unchanged(text, "the page kept a write");
}

/* The failing twin: with the same machinery, memory that keeps its writes is patched. */
Test(memory, writes_that_are_kept_are_believed)
{
	struct near near = near_map(PAGE);
	struct text *text = text_new(table_machine(table_common(), "smap"), PAGE);

	free(text->text.bytes);
	text->text.bytes = near.write;
	text_site(text, 0x10, "xsmap", HOT_CALL, 0);
	text_patch(text);
	text_expect(text, 0x10, "0f 01 ca 66 90");
}

/* Where the second of two pages loses its writes, the first is put back as it was. */
Test(memory, a_write_lost_half_way_restores_what_can_be_restored)
{
	struct near near = near_map(2 * PAGE);
	struct text *text = text_new(table_machine(table_common(), "smap"), 2 * PAGE);
	struct hot_error error;

	free(text->text.bytes);
	text->text.bytes = near.write;
	text_site(text, 0x10, "xsmap", HOT_CALL, 0);
	text_site(text, PAGE + 0x10, "xsmap", HOT_CALL, 0);
	text_seal(text);
	leaky_start(near.write + PAGE);
	cr_expect(!do_hotinlines(text->machine, &text->text, 1, &error));
	cr_expect_eq(error.reason, HOT_E_VERIFY);
	cr_expect_eq(error.address, TEXT_RUNS + PAGE + 0x10);
	text_expect_unchanged(text, "half of the module is patched");
}

/* ---- A page with one byte that sticks, below krtld ---- */

#define STICKS 0xe8 /* what the byte holds once it has held it */

static struct {
	uint8_t *page;
	size_t at; /* offset of that byte */
	bool holds;
	void *(*alloc)(void *, enum krtld_kind, size_t, size_t, uint64_t *);
	void (*free)(void *, enum krtld_kind, void *, uint64_t, size_t);
} sticky;

static void sticky_protect(int protection)
{
	if (mprotect(sticky.page, PAGE, protection))
		_exit(99);
}

static void sticky_on_write(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	if ((uint8_t *)info->si_addr < sticky.page ||
	    (uint8_t *)info->si_addr >= sticky.page + PAGE)
		_exit(98);
	sticky_protect(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void sticky_on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	(void)info;
	if (sticky.holds)
		sticky.page[sticky.at] = STICKS;
	sticky.holds = sticky.page[sticky.at] == STICKS;
	sticky_protect(PROT_READ);
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void *sticky_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			  uint64_t *address)
{
	void *bytes = sticky.alloc(ctx, kind, size, align, address);

	if (kind == KRTLD_TEXT) {
		cr_assert(size == PAGE && (uintptr_t)bytes % PAGE == 0);
		sticky.page = bytes;
		sticky_protect(PROT_READ);
	}
	return bytes;
}

static void sticky_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	if (kind == KRTLD_TEXT)
		sticky_protect(PROT_READ | PROT_WRITE);
	sticky.free(ctx, kind, bytes, address, size);
}

/* A world that gives a module's text a page in which the byte at that offset sticks. */
static struct world *sticky_world(size_t at)
{
	struct sigaction write = {.sa_sigaction = sticky_on_write, .sa_flags = SA_SIGINFO};
	struct sigaction step = {.sa_sigaction = sticky_on_step, .sa_flags = SA_SIGINFO};
	struct world *world = world_new("smap");

	cr_assert(!sigaction(SIGSEGV, &write, NULL) && !sigaction(SIGTRAP, &step, NULL));
	sticky.alloc = world->ops.alloc;
	sticky.free = world->ops.free;
	sticky.at = at;
	world->ops.alloc = sticky_alloc;
	world->ops.free = sticky_free;
	return world;
}

/* A page of text that calls xsmap at 0x10 and at 0x20. */
static struct object *page_of_calls(void)
{
	struct object *object = object_new();
	uint8_t page[PAGE] = {[0x10] = 0xe8, [0x20] = 0xe8};
	unsigned text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
				       PAGE, page, sizeof(page));
	unsigned stub = object_undefined(object, "xsmap");

	object_symbol(object, "caller", STB_GLOBAL, STT_FUNC, text, 0x18, 16);
	object_rela(object, text, 0x11, R_X86_64_PLT32, stub, -4);
	object_rela(object, text, 0x21, R_X86_64_PLT32, stub, -4);
	return object;
}

Test(memory, a_module_whose_text_does_not_take_a_write_is_refused)
{
	struct world *world = sticky_world(0x20);
	const struct krtld_error *error =
	    world_refuse_object(world, "it", page_of_calls(), KRTLD_E_HOTINLINE);

	cr_expect_eq(error->hot.reason, HOT_E_VERIFY, "%s", world->lines[0]);
	cr_expect_eq(error->hot.hotinline, hot_find(world->machine->table, "xsmap"));
	cr_expect_str_eq(error->section, ".text");
	cr_expect_eq(error->offset, 0x20, "%#lx", error->offset);
	cr_expect_str_eq(error->symbol, "caller");
	cr_expect(strstr(world->lines[0], "expected 0f 01 ca 66 90, found e8 01 ca 66 90"), "%s",
		  world->lines[0]);
	world_expect_empty(world);
}

/* The failing twin: the same machinery, and a byte that nobody wants to change. */
Test(memory, a_module_whose_text_takes_every_write_is_loaded)
{
	struct world *world = sticky_world(0x30);
	struct krtld_module *module = world_load_object(world, "it", page_of_calls());

	cr_expect_eq(module->nsites, 2);
	cr_expect_eq(bytes_get(world_section(module, ".text")->bytes + 0x10, 5), 0x9066ca010f);
	cr_expect_eq(bytes_get(world_section(module, ".text")->bytes + 0x20, 5), 0x9066ca010f);
	world_unload(world, module);
	world_expect_empty(world);
}
