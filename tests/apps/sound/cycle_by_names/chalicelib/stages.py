STAGE = "dev"

from chalicelib.settings import check  # noqa: E402

check()
