import tlz.curried
from tlz import curry, pipe
from tlz.functoolz import compose


def handler(event, context):
    return pipe(1, curry(lambda a, b: a + b)(2), compose(str))
