"""What needs the guest's kernel is collected in the guest alone; see docs/kernel-vm.md."""

from __future__ import annotations

import os

# Set by kmod/vm inside a guest, and nowhere else.
IN_GUEST = "KMOD_VM" in os.environ

collect_ignore = [] if IN_GUEST else ["guest"]
