from chalicelib import handler
