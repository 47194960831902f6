"""A recorded run as a page: what each node did, step by step, and why."""
