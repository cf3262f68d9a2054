/* Canary: follows a pointer that is NULL. */
#include "kernel/defs.h"

int follow(const volatile int *pointer);

int follow(const volatile int *pointer)
{
	return pointer[2];
}

int _init(void)
{
	return follow(NULL);
}
