import sys

from client._vendor import tiny

sys.modules['client.packages.tiny'] = tiny

from client.packages.tiny import NAME
