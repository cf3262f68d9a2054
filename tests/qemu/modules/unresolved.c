/* Refused: it calls what nobody defines. */
#include "kernel/defs.h"

void defined_nowhere(void);

int _init(void)
{
	defined_nowhere();
	return 0;
}
