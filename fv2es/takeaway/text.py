"""Other people's words, made fit for one line of a file."""

from __future__ import annotations

import unicodedata

# Marks that turn the direction of the text after them, also of what is not theirs.
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def one_line(text: str) -> str:
    """Single blanks, no control characters, nothing that UTF-8 cannot hold."""
    kept = "".join(letter for letter in " ".join(text.split()) if _fits(letter))
    return " ".join(kept.split())


def _fits(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cs") and letter not in _TURNING
