/*
 * Hands an address of its own, 0x8050ff0, to the device of the module vmloop, which reads there
 * without a window. With SMAP that is the end of the system; without it the program lives to tell.
 * `a.out ac` sets AC in its own flags first, which must not help: the kernel begins with AC clear.
 */
#include "kernel/user/user.h"

#define ADDRESS  0x8050ff0ul
#define FLAGS_AC (1ul << 18)

/* user.ld puts it first after the data: so large, ADDRESS is in it. */
static uint8_t memory[16 * PAGE_SIZE];

static void set_ac(void)
{
	asm volatile("pushfq; orq %0, (%%rsp); popfq" : : "i"(FLAGS_AC) : "cc", "memory");
}

int main(int argc, char **argv)
{
	int file = open("/dev/vmloop");
	uint64_t first = (uint64_t)memory;
	long result;

	if (file < 0) {
		kprintf("a.out: /dev/vmloop: error %d; `modload vmloop` first\n", -file);
		return 2;
	}
	if (first > ADDRESS || first + sizeof(memory) < ADDRESS + sizeof(uint64_t)) {
		kprintf("a.out: %lx is not in its memory\n", ADDRESS);
		return 3;
	}
	*(volatile uint64_t *)ADDRESS = 1; /* the page is there: only SMAP can be in the way */
	if (argc > 1 && strcmp(argv[1], "ac") == 0)
		set_ac();
	result = ioctl(file, 0, ADDRESS);
	kprintf("ioctl returned %ld\n", result);
	return result ? 1 : 0;
}
