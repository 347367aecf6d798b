"""A package that no index has: it is copied to the top level of the deployment package."""


def greet(name: str) -> str:
    """Return a greeting for `name`."""
    return f"Hello, {name}!"
