"""`make pin-release`: copy the card of this version to widget/releases/, where it is served permanently."""

import base64
import hashlib
import re
import sys
from pathlib import Path

CARD, RELEASES = Path("widget/donation-card.js"), Path("widget/releases")


def main() -> None:
    version = re.search(r'__version__ = "([^"]+)"', Path("service/donation_card/__init__.py").read_text())[1]
    body = CARD.read_bytes()
    if f"<donation-card> {version}:".encode() not in body:
        sys.exit(f"{CARD} does not say that it is {version}")
    release = RELEASES / f"{version}.js"
    if release.exists() and release.read_bytes() != body:
        sys.exit(f"{release} is released and must not change: raise the version (tests/e2e/test_wheel.py lists where)")
    RELEASES.mkdir(exist_ok=True)
    release.write_bytes(body)
    lines = [
        f"{path.stem} sha384-{base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()}\n"
        for path in sorted(RELEASES.glob("*.js"))
    ]
    (RELEASES / "integrity").write_text("".join(lines))
    print(f"{release} is written. Next: CONTRIBUTING.md, “Release”.")


if __name__ == "__main__":
    main()
