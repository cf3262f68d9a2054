/* Refused: the address of a module's data does not fit 32 bits without their sign. */
#include "kernel/defs.h"

uint32_t too_narrow(void);

asm(".pushsection .data; overflow_field: .long overflow_target; .popsection");

uint32_t overflow_target = 1;

uint32_t too_narrow(void)
{
	return overflow_target;
}
