import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'chalicelib', 'third_party'))

import tiny


def handler(event, context):
    return tiny.NAME
