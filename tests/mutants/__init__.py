"""Wrong edits, kept as data, and the runner that shows each to be noticed."""
