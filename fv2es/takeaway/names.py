"""File names for others' computers, made from a clip's name without believing it."""

from __future__ import annotations

import unicodedata

LONGEST = 60  # letters of a clip's name that are kept; in bytes at most four times as many, file systems take 255
NAMELESS = "clip"
# Names that Windows keeps for devices, whatever follows the first full stop.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def stem(file: str) -> str:
    """A clip's file name → letters, digits, - and _ of any script; never empty, a path or a device."""
    base = file.replace("\\", "/").rpartition("/")[2]
    name, dot, _ = base.rpartition(".")
    letters = unicodedata.normalize("NFKC", name if dot and name else base)
    kept = "".join(letter if letter.isalnum() or letter in "-_" else " " for letter in letters)
    safe = "_".join(kept.split())[:LONGEST].strip("-_")
    if not safe:
        return NAMELESS
    return f"{NAMELESS}_{safe}" if safe.lower() in DEVICES else safe
