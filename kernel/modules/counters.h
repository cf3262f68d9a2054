/* What the module counters offers to others. */
#ifndef HOTINLINE_KERNEL_COUNTERS_H
#define HOTINLINE_KERNEL_COUNTERS_H

#include "kernel/defs.h"

#define NCOUNTERS 64u

/* number: below NCOUNTERS */
MODULE_EXPORT void counter_add(unsigned number);
MODULE_EXPORT uint64_t counter_read(unsigned number);
MODULE_EXPORT unsigned counters_used(void);

#endif
