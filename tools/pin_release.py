"""Copy the joined card of this version to widget/releases/, where it is served permanently."""

import base64
import hashlib
import sys
from pathlib import Path

from donation_card import __version__
from donation_card.web.assets import current_card

RELEASES = Path("widget/releases")


def main() -> None:
    card = current_card()
    if f"<donation-card> {__version__},".encode() not in card.partition(b"\n")[0]:
        sys.exit(f"the first line of widget/donation-card.js does not name version {__version__}")
    release = RELEASES / f"{__version__}.js"
    if release.exists() and release.read_bytes() != card:
        sys.exit(f"{release} is released and must not change: raise the version (tests/e2e/test_wheel.py lists where)")
    RELEASES.mkdir(exist_ok=True)
    release.write_bytes(card)
    lines = [f"{path.stem} sha384-{sha384(path)}\n" for path in sorted(RELEASES.glob("*.js"))]
    (RELEASES / "integrity").write_text("".join(lines))
    print(f"{release} is written. Next: CONTRIBUTING.md, “Release”.")


def sha384(path: Path) -> str:
    return base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


if __name__ == "__main__":
    main()
