"""Committed locks: what they come to for a target, and whether they are those of the requirements beside them."""
