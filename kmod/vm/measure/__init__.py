"""Measures, inside the guest, what an echo and a decision cost; see docs/kernel-figures.md.

    python -m measure --programs DIRECTORY --out FILE [--quick] [ROW ...]

`figures.py` builds the programs, boots the guest, runs this, and writes the tables.
"""
