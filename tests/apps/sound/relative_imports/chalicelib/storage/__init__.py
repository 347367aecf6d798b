from .memory import rows
