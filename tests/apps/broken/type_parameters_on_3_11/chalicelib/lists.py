def first[T](values: list[T]) -> T:
    return values[0]
