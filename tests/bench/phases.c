/*
 * The phases of a load, timed one by one: each function below is called in place of the one that it
 * is named after (ld --wrap).
 */
#include "tests/bench/subject.h"

struct phases phases;

bool __real_krtld_object_open(const struct krtld *krtld, struct krtld_object *object,
			      const char *name, const void *file, size_t size);
bool __wrap_krtld_object_open(const struct krtld *krtld, struct krtld_object *object,
			      const char *name, const void *file, size_t size);
bool __real_krtld_place(struct krtld_load *load);
bool __wrap_krtld_place(struct krtld_load *load);
bool __real_krtld_resolve(struct krtld_load *load);
bool __wrap_krtld_resolve(struct krtld_load *load);
bool __real_krtld_relocate(struct krtld_load *load);
bool __wrap_krtld_relocate(struct krtld_load *load);
bool __real_krtld_finish_sites(struct krtld_load *load);
bool __wrap_krtld_finish_sites(struct krtld_load *load);
bool __real_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error);
bool __wrap_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error);

#define TIMED(phase, call)                                                                         \
	do {                                                                                       \
		uint64_t start;                                                                    \
		bool ok;                                                                           \
                                                                                                   \
		if (!phases.clock)                                                                 \
			return call;                                                               \
		start = phases.clock();                                                            \
		ok = call;                                                                         \
		phases.spent[phase] += phases.clock() - start;                                     \
		return ok;                                                                         \
	} while (0)

bool __wrap_krtld_object_open(const struct krtld *krtld, struct krtld_object *object,
			      const char *name, const void *file, size_t size)
{
	TIMED(PHASE_CHECK, __real_krtld_object_open(krtld, object, name, file, size));
}

bool __wrap_krtld_place(struct krtld_load *load)
{
	TIMED(PHASE_PLACE, __real_krtld_place(load));
}

bool __wrap_krtld_resolve(struct krtld_load *load)
{
	TIMED(PHASE_RESOLVE, __real_krtld_resolve(load));
}

bool __wrap_krtld_relocate(struct krtld_load *load)
{
	if (phases.before_relocate)
		phases.before_relocate(load);
	TIMED(PHASE_RELOCATE, __real_krtld_relocate(load));
}

bool __wrap_krtld_finish_sites(struct krtld_load *load)
{
	TIMED(PHASE_FINISH, __real_krtld_finish_sites(load));
}

bool __wrap_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error)
{
	TIMED(PHASE_PATCH, __real_do_hotinlines(machine, texts, ntexts, error));
}
