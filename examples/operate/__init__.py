"""What docs/guides/operate.md uses."""
