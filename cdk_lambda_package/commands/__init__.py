"""What the command line can do, one module each: they take parsed arguments, print, and return the exit status."""

FAILED = 1
"""The exit status of what can't be done, or isn't as it should be. A command line that can't be understood is 2."""
