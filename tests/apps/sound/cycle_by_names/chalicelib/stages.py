STAGE = "dev"

from chalicelib.settings import check

check()
