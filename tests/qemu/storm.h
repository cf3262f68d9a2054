/* The device /dev/storm of modules/storm.c: its ioctls, for user/storm.c. */
#ifndef HOTINLINE_TESTS_STORM_H
#define HOTINLINE_TESTS_STORM_H

enum storm_command {
	STORM_NMI, /* (address): sends this CPU an NMI in a window onto 8 bytes there; 0 */
	STORM_YIELD, /* (address): gives the CPU up in such a window, which must be open after it; 0 */
	STORM_MODULE, /* (n): loads a module of the archive, or unloads it if it is loaded; 0 */
	STORM_LEAK,   /* (address): opens a window in one function, closes it in another; 0 */
	STORM_NMIS,   /* (0): how many NMIs there were since boot */
};

#endif
