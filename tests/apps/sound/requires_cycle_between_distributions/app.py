from bs4 import BeautifulSoup


def handler(event, context):
    return BeautifulSoup('<p>a</p>', 'html.parser').p.text
