/* A CPU made of rows; see cpu.h. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/cpu.h"

static struct cpu_row *find_row(struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < cpu->nrows; i++)
		if (cpu->rows[i].leaf == leaf && cpu->rows[i].subleaf == subleaf)
			return &cpu->rows[i];
	return NULL;
}

uint32_t *cpu_regs(struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
	struct cpu_row *row = find_row(cpu, leaf, subleaf);

	if (!row) {
		cr_assert(cpu->nrows < CPU_ROWS);
		row = &cpu->rows[cpu->nrows++];
		row->leaf = leaf;
		row->subleaf = subleaf;
	}
	return row->regs;
}

void cpu_vendor(struct cpu *cpu, const char *signature)
{
	uint32_t *regs = cpu_regs(cpu, 0, 0);

	memcpy(&regs[1], signature, 4);
	memcpy(&regs[3], signature + 4, 4);
	memcpy(&regs[2], signature + 8, 4);
}

void cpu_make(struct cpu *cpu, uint32_t basic, uint32_t extended)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu_regs(cpu, 0, 0)[0] = basic;
	if (extended)
		cpu_regs(cpu, 0x80000000, 0)[0] = extended;
	cpu_vendor(cpu, "GenuineIntel");
}

void cpu_hypervisor(struct cpu *cpu, uint32_t leaf, const char *signature, uint32_t highest)
{
	char text[12] = "";
	uint32_t *regs;

	memcpy(text, signature, strnlen(signature, sizeof(text)));
	cpu_regs(cpu, 1, 0)[2] |= 1u << 31;
	regs = cpu_regs(cpu, leaf, 0);
	regs[0] = highest;
	memcpy(&regs[1], text, sizeof(text));
}

/* Intel SDM vol. 2A, CPUID: above the highest leaf, the highest basic leaf's data come back. */
static void answer(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	struct cpu *cpu = ctx;
	uint32_t base = leaf & 0xc0000000;
	const struct cpu_row *first = find_row(cpu, base == 0x40000000 ? leaf & ~0xffu : base, 0);
	const struct cpu_row *row;

	cpu->asked++;
	if (!first || leaf > first->regs[0])
		if (!find_row(cpu, leaf, subleaf) || base != 0x40000000)
			leaf = find_row(cpu, 0, 0)->regs[0];
	row = find_row(cpu, leaf, subleaf);
	memset(regs, 0, 4 * sizeof(*regs));
	if (row)
		memcpy(regs, row->regs, sizeof(row->regs));
}

static bool mentions(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at && (at = strstr(at, name)); at++)
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

static bool holds_at_boot(void *ctx, const char *feature)
{
	return mentions(((struct cpu *)ctx)->boot, feature);
}

static bool is_disabled(void *ctx, const char *feature)
{
	return mentions(((struct cpu *)ctx)->disabled, feature);
}

struct hot_env cpu_env(struct cpu *cpu)
{
	return (struct hot_env){cpu, answer, cpu->boot ? holds_at_boot : NULL,
				cpu->disabled ? is_disabled : NULL};
}
