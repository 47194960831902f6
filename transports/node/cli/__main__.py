"""``python -m transports.node.cli`` is `paxos`."""

import sys

from transports.node.cli import main

sys.exit(main())
