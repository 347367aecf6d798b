"""Which modules the target's Python can't compile."""
