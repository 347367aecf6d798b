import sys

if sys.version_info[0] == 2:
    from legacy.python2 import NAME
else:
    from legacy.python3 import NAME
