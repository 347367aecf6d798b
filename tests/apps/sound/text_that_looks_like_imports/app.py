"""Use it so:

>>> import missing_module
from another_missing import thing
"""

# import commented_out
TEMPLATE = """
import generated_code
from generated import *
"""


def handler(event, context):
    return len(TEMPLATE)
