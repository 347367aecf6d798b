"""Resolving for the target by the user's own pip, and fetching what came of it."""
