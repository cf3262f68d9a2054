/*
 * Undefined weak symbols in every kind of reference. Compiled in many ways and loaded by
 * tests/oracle, with and without addresses for them; never run.
 */
extern int absent_data __attribute__((weak));
extern int absent_too __attribute__((weak));
extern long absent_long __attribute__((weak, visibility("hidden")));
extern int absent_call(int) __attribute__((weak));
extern int absent_tail(int) __attribute__((weak));

int (*const pointer)(int) = absent_call;
int *const data[] = {&absent_data, &absent_too, (int *)&absent_long};

int calls(int x)
{
	if (!absent_call)
		return 0;
	return absent_call(x) + 1;
}

int tail(int x)
{
	return absent_tail ? absent_tail(x) : x;
}

int compares(int *p)
{
	return (p == &absent_data) + 2 * (p > &absent_too) + 4 * (&absent_long != 0);
}

long loads(void)
{
	return &absent_long ? absent_long + absent_data : absent_too;
}
