"""Pack the npm package: what stands in widget/npm/, the joined card and the licence."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from donation_card.web.assets import current_card

SOURCE = Path("widget/npm")


def pack(output: Path) -> Path:
    """Write the package into this folder and return its path."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(SOURCE, folder, dirs_exist_ok=True))
        (package / "donation-card.js").write_bytes(current_card())
        shutil.copy("LICENSE", package)
        command = ["npm", "pack", folder, "--pack-destination", str(output.resolve()), "--silent"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return output / done.stdout.strip()


if __name__ == "__main__":
    sys.stdout.write(f"{pack(Path('dist'))}\n")
