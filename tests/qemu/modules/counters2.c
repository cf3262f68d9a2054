/* Refused where counters is loaded: it marks a name for others that counters marks, too. */
#include "kernel/modules/counters.h"

void counter_add(unsigned number)
{
	(void)number;
}
