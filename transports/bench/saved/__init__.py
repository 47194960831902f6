"""What a run leaves behind: its schema, its files, its latency histograms."""
