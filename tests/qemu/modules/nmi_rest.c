/*
 * Sends non-maskable interrupts to all CPUs at rest, of which there are nmi_rest.cpus, and waits until
 * each has counted each: they must not fall over, nor leave. nmi_rest.seconds: how long it waits.
 */
#include "kernel/defs.h"

#define ROUNDS        5
#define NMI_TO_OTHERS 0xc4400 /* Intel SDM vol. 3A, figure 10-12 */
#define SECOND        1000000000ul

static uint64_t argument(const char *name)
{
	char value[ARG_MAX];
	uint64_t number;

	return boot_argument(name, value, sizeof(value)) && parse_number(value, &number) ? number
											 : 0;
}

int _init(void)
{
	uint64_t n = argument("nmi_rest.cpus"), patience = argument("nmi_rest.seconds"), sent = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t end = time_now() + patience * SECOND;

		apic_command(0, NMI_TO_OTHERS);
		for (sent += n; cpus_nmis() < sent;)
			if (time_now() > end) {
				kprintf("nmi_rest: %lu of %lu counted\n", cpus_nmis(), sent);
				return 2;
			}
	}
	kprintf("nmi_rest: %lu of %lu counted\n", cpus_nmis(), sent);
	return 0;
}
