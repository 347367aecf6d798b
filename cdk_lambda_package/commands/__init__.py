"""The commands of the command line, one module each: `EXAMPLES`, `add_arguments(parser)` and `run(arguments) -> exit status`."""

FAILED = 1
"""The exit status of a command that failed, or that found errors. A misused command line has 2."""
