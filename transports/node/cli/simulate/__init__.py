"""`paxos simulate`: seeds by the thousand, over several processes, and what they have seen."""
