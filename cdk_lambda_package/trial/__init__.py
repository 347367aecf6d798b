"""The import of a function's module, tried as Lambda does it."""
