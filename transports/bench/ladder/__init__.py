"""The ladder: the same load on every rung of every layer, interleaved."""
