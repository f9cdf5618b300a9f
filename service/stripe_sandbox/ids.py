"""Create random identifiers in the format of Stripe's."""

import os
import string

_CHARACTERS = ((string.ascii_letters + string.digits) * 5)[:256].encode()


def new_id(prefix: str, length: int = 24) -> str:
    return prefix + os.urandom(length).translate(_CHARACTERS).decode()
