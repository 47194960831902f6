"""Boots a kernel in QEMU, runs a command in it with the module loaded, and judges its log."""
