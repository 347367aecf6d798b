from pyparsing import Word, alphas


def handler(event, context):
    return Word(alphas).parseString('a').asList()
