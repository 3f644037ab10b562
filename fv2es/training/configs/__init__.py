"""The recipes that ship, a TOML file each. What reads them is `training.recipes`; this alone is quick to import."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped() -> tuple[str, ...]:
    """Their names, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
