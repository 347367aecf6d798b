type Pair[T] = tuple[T, T]


class Box[T]:
    def __init__(self, content: T) -> None:
        self.content = content


def first[T](values: list[T]) -> T:
    return values[0]


def handler(event, context):
    name = {'name': 'x'}
    return f'{name['name']} {first([1])} {Box(2).content} {'\n'.join(['a'])}'
