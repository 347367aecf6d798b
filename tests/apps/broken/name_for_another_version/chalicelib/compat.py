import sys

if sys.version_info < (3, 9):
    lookup = dict.get
