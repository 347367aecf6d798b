"""Builds that are killed, starved of their input and output, given damaged stores, and run beside each other.

`make reliability` runs all of it, and writes the table in docs/explanation/reliability.md. `tests/test_reliability.py` runs a
few cases of each kind. A case ends with a right package or an error message; anything else is a fault of the product.
"""
