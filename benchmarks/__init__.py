"""This package beside its peers: `python -m benchmarks.run`, or `make benchmark`."""
