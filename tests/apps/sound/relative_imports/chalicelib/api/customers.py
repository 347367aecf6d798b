from .. import NAME
