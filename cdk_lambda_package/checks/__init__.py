"""Checks of a package that would fail on Lambda, one module each."""
