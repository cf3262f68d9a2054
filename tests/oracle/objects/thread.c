/* Thread-local storage, which krtld refuses by name. For tests/oracle. */
static __thread int mine = 3;
extern __thread int theirs;

int both(void)
{
	return mine++ + theirs;
}
