"""The comparison: what a commit costs, measured from a client to the nodes and back."""
