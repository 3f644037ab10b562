"""In which language the views speak: each takes a `say` that turns an English sentence into that of the reader.

A sentence with places for values is said first and filled in afterwards: say("{n} utterances").format(n=3).
"""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], str]


def english(sentence: str) -> str:
    """As it is written in the code."""
    return sentence
