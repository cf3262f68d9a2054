/* Refused: more zeros than the kernel has addresses for. */
#include "kernel/defs.h"

MODULE_EXPORT extern char huge_zeros[];

char huge_zeros[KAS_SIZE + PAGE_SIZE];
