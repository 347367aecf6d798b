from chalicelib.sums import *
