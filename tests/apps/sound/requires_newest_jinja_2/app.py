from jinja2 import Template


def handler(event, context):
    return Template('{{ a }}').render(a=1)
