/* Says hello with its arguments, and returns how many it has: the least that a program can do. */
#include "kernel/user/user.h"

int main(int argc, char **argv)
{
	kprintf("hello from process %d:", getpid());
	for (int i = 1; i < argc; i++)
		kprintf(" %s", argv[i]);
	kprintf("\n");
	return argc - 1;
}
