"""Every state of a campaign, each as a campaign file of its own, so that all of them stand side by side."""

from __future__ import annotations

from pathlib import Path

VITALY = Path("campaigns/vitaly.toml")

_CHANGES: dict[str, tuple[int, dict[str, str]]] = {
    "started": (0, {}),
    "begun": (1400, {}),
    "funded": (3200, {}),
    "full": (3000, {"after_goal = true": "after_goal = false"}),
    "paused": (1400, {'status = "open"': 'status = "paused"'}),
    "closed": (2600, {'status = "open"': 'status = "closed"'}),
    "safe": (1400, {'warn_banks_of = ["BY", "RU"]': "warn_banks_of = []", "decimals = false": "decimals = true"}),
}

STATES = tuple(_CHANGES)
"""started · begun · funded (still taking gifts) · full (taking none) · paused · closed · safe (no warning, cents)."""


def write_states(folder: Path) -> Path:
    """The campaign files, and the shipped one; gives the folder."""
    text = VITALY.read_text("utf-8")
    (folder / VITALY.name).write_text(text, "utf-8")
    for state, (offline, changes) in _CHANGES.items():
        changed = text
        for old, new in changes.items():
            assert old in changed, old
            changed = changed.replace(old, new, 1)
        if offline:
            source = ", ".join(f'{lang} = "Bazaar"' for lang in ("en", "be", "ru", "uk", "lt", "pl", "de"))
            changed += f'\n[[offline]]\ndate = 2026-11-01\namount = "{offline}"\nsource = {{ {source} }}\n'
        (folder / f"{state}.toml").write_text(changed, "utf-8")
    return folder
