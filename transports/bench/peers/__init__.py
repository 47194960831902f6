"""Other people's systems under the same loads, each at its default and at its best settings."""
