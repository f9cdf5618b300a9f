"""Create random identifiers in the format of Stripe's."""

import secrets
import string


def new_id(prefix: str, length: int = 24) -> str:
    return prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
