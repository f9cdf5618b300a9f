"""The shipped campaign file, as tests copy it into a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

VITALY = Path("campaigns/vitaly.toml")
VITALY_TEXT = re.sub(r"\n\[picture\].*?(?=\n# ──)", "", VITALY.read_text("utf-8"), flags=re.DOTALL)
"""Without the picture, which is another file."""
