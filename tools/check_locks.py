"""Check that lock files hold versions and hashes, but no addresses. In package-lock.json that includes `funding`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LOCKS = [*Path().glob("requirements*.lock"), Path("tools/package-lock.json")]


def main() -> None:
    faults = [
        f"{lock}:{number}: {line.strip()}"
        for lock in LOCKS
        for number, line in enumerate(lock.read_text().splitlines(), 1)
        if re.search(r"https?://|--index-url", line)
    ]
    if faults:
        sys.exit("addresses in lock files:\n" + "\n".join(faults))


if __name__ == "__main__":
    main()
