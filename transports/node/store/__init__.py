"""What a node keeps across a crash: `api` is what a store promises, `log_*` the durable one."""
