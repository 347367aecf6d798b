from chalicelib.api import handler

__all__ = ['handler']
