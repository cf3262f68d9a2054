/*
 * The hotinlines of the benchmark of relocation, a table as hotc would write it. Three names that
 * all kernel modules call a lot, so that real objects have real sites (hotc would not take the
 * first two, which begin with an underscore), and one for the synthetic objects.
 */
#include "tests/bench/subject.h"

static const struct hot_feature features[] = {
    {.name = "feature", .source = "cpuid 1 edx[0]", .leaf = 1, .reg = 3, .condition = HOT_ALWAYS}};

static const struct hotinline hotinlines[] = {
    {"__fentry__", 0, 2, 5},
    {"__x86_return_thunk", 2, 2, 5},
    {"mutex_lock", 4, 2, 5},
    {"synthetic_hotinline", 6, 2, 5},
};

#define CHOICE(at)                                                                                 \
	{.text = "nop4", .when = "feature", .condition = 0, .code = (at), .size = 4, .behind = 0}, \
	{                                                                                          \
		.text = "nop3", .when = "", .condition = HOT_ALWAYS, .code = (at) + 4, .size = 3,  \
		.behind = 0                                                                        \
	}

static const struct hot_alternative alternatives[] = {CHOICE(0), CHOICE(0), CHOICE(0), CHOICE(0)};

static const uint16_t conditions[] = {0, HOT_OP_END};
static const uint8_t code[] = {0x0f, 0x1f, 0x40, 0x00, 0x0f, 0x1f, 0x00};

const struct hot_table bench_table = {.layout = HOT_LAYOUT,
				      .fingerprint = 1,
				      .features = features,
				      .hotinlines = hotinlines,
				      .alternatives = alternatives,
				      .conditions = conditions,
				      .code = code,
				      .nfeatures = sizeof features / sizeof *features,
				      .nalternatives = sizeof alternatives / sizeof *alternatives,
				      .nconditions = sizeof conditions / sizeof *conditions,
				      .ncode = sizeof code,
				      .nhotinlines = sizeof hotinlines / sizeof *hotinlines,
				      .return_thunk = HOT_NONE};
