"""Further modules of the app."""
