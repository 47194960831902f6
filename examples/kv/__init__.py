"""A replicated key-value store that speaks Redis's protocol, RESP2."""
