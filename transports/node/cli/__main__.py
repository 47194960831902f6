"""``python -m transports.node.cli`` is `paxos`."""

import sys

from transports.node.cli import main

if __name__ == "__main__":
    sys.exit(main())
