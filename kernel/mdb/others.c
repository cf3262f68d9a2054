/*
 * Capstone's dispatcher (cs.c of it) refers to every architecture by two functions. Only x86 is
 * linked into the module; the others say that they are not there.
 */
#include <capstone/capstone.h>

#define ABSENT(arch)                                                                               \
	cs_err arch##_global_init(void *handle);                                                   \
	cs_err arch##_option(void *handle, int type, size_t value);                                \
	cs_err arch##_global_init(void *handle)                                                    \
	{                                                                                          \
		(void)handle;                                                                      \
		return CS_ERR_ARCH;                                                                \
	}                                                                                          \
	cs_err arch##_option(void *handle, int type, size_t value)                                 \
	{                                                                                          \
		(void)handle, (void)type, (void)value;                                             \
		return CS_ERR_ARCH;                                                                \
	}

ABSENT(AArch64)
ABSENT(ARM)
ABSENT(EVM)
ABSENT(M680X)
ABSENT(M68K)
ABSENT(Mips)
ABSENT(PPC)
ABSENT(Sparc)
ABSENT(SystemZ)
ABSENT(TMS320C64x)
ABSENT(XCore)
