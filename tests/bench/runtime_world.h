/*
 * Memory of this process as krtld's world: modules that run here, in one of three states. Used by
 * runtime.c.
 */
#ifndef HOTINLINE_TESTS_BENCH_RUNTIME_WORLD_H
#define HOTINLINE_TESTS_BENCH_RUNTIME_WORLD_H

#include "loader/placement.h"

enum runtime_state {
	RUNTIME_PATCHED,    /* for the CPU it runs on, but for SMAP, which user mode has not */
	RUNTIME_NO_FEATURE, /* for a CPU without any feature: baselines */
	RUNTIME_UNPATCHED,  /* as relocated: calls of stubs */
	RUNTIME_STATES,
};

struct runtime_world {
	struct krtld krtld;
	enum runtime_state state;
	struct hot_machine *machine;
	uint8_t *memory; /* below 2 GiB; regions are cut from it from the front */
	size_t used;     /* bytes */
	struct krtld_module *unix_module;
	struct krtld_module *loops;
};

/* Loads both objects. spoil: damages a site of the second before it is verified. Refuses (result.h)
 * what krtld refuses, and text that does not hold what the state demands. */
void runtime_world_load(struct runtime_world *world, enum runtime_state state,
			const char *unix_path, const char *loops_path, bool spoil);

/* The address of a symbol of the second object; refuses where there is none. */
uint64_t runtime_world_symbol(const struct runtime_world *world, const char *name);

bool runtime_world_has(const struct runtime_world *world, const char *feature);

#endif
