/* What the module counters offers to others. */
#ifndef HOTINLINE_KERNEL_COUNTERS_H
#define HOTINLINE_KERNEL_COUNTERS_H

#include <stdint.h>

#define NCOUNTERS 64u

/* number: below NCOUNTERS */
void counter_add(unsigned number);
uint64_t counter_read(unsigned number);
unsigned counters_used(void);

#endif
