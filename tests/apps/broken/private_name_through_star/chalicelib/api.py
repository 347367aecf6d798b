from chalicelib.state import *
