/* Refused: thread-local storage is nothing that a module can have. */
#include "kernel/defs.h"

int count_in_thread(void);

static _Thread_local int counter;

int count_in_thread(void)
{
	return ++counter;
}
