import markdown


def handler(event, context):
    return markdown.markdown('*a*', extensions=['tables', 'markdown.extensions.toc'])
