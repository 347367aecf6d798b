"""Resolving with uv, the second resolver."""
