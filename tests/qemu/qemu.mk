# Goals of tests/qemu beside its tests. Included by the Makefile.

##cycles        load, patch, call and unload modules, and count the memory; COUNT= (100,000)
.PHONY: cycles
cycles: all build/tests/boot.cpio
	@$(PYTHON) tests/qemu/cycles.py $(COUNT)
