"""`paxos chaos`: real processes under real faults, and a verdict over what clients saw."""
