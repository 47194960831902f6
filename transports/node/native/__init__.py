"""Cores that are not of Python: the C twin as a library, and a replica in the kernel."""
