"""A lock service: leases that end by the log's time, and fencing tokens that only grow."""
