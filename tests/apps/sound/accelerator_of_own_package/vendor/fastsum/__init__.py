try:
    from fastsum._speedups import total
except ImportError:
    from fastsum._python import total

__all__ = ['total']
