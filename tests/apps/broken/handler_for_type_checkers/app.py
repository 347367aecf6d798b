from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.api import handler
