"""`make release`: keep the card of this version for ever, under its own address, and say what is left to do by hand."""

import base64
import hashlib
import re
import sys
from pathlib import Path

CARD, KEPT = Path("widget/donation-card.js"), Path("widget/releases")


def main() -> None:
    version = re.search(r'__version__ = "([^"]+)"', Path("service/donation_card/__init__.py").read_text())[1]
    body = CARD.read_bytes()
    if f"<donation-card> {version}:".encode() not in body:
        sys.exit(f"{CARD} does not say that it is {version}")
    kept = KEPT / f"{version}.js"
    if kept.exists() and kept.read_bytes() != body:
        sys.exit(f"{kept} is released and must not change: raise the version (see tests/e2e/test_wheel.py)")
    KEPT.mkdir(exist_ok=True)
    kept.write_bytes(body)
    lines = [
        f"{path.stem} sha384-{base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()}\n"
        for path in sorted(KEPT.glob("*.js"))
    ]
    (KEPT / "integrity").write_text("".join(lines))
    print(
        f"{kept} is kept. Now: a heading {version} in CHANGELOG.md, make check test wheel sbom, commit, tag v{version}."
    )


if __name__ == "__main__":
    main()
