/*
 * Canary: sends its CPU a non-maskable interrupt, through the local APIC (Intel SDM vol. 3A,
 * 10.6.1). QEMU's monitor cannot: its NMI comes through a pin that is masked.
 */
#include "kernel/defs.h"

#define APIC        0xfee00000ul
#define COMMAND     0x300 /* interrupt command register; its high half, the CPU, is 0 */
#define DELIVER_NMI 0x400

int _init(void)
{
	if (!paging_map(PHYSMAP + APIC, APIC, PROT_RW))
		return 1;
	*(volatile uint32_t *)physmap(APIC + COMMAND) = DELIVER_NMI;
	for (unsigned i = 0; i < 1000000; i++)
		asm volatile("pause");
	return 2;
}
