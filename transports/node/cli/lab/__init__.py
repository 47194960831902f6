"""``paxos lab``: network namespaces joined by a bridge, with a node in each.

`plan` says what is in a laboratory, `network` makes and removes it with ``ip``,
`claim` tells which are in use, `inside` lets a thread enter one, `run` has nodes
run there, and `commands` is the command line. Nothing but the names of namespaces
is ever added to the machine's own network.
"""
