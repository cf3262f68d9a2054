/* An indirect function (IFUNC), which krtld refuses by name. For tests/oracle. */
static int one(void)
{
	return 1;
}

static int (*choose(void))(void)
{
	return one;
}

int chosen(void) __attribute__((ifunc("choose")));
