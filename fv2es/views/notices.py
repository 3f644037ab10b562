"""What the page says in words: how far it is, and what a visitor should know."""

from __future__ import annotations

from collections.abc import Sequence

from fv2es.views.markup import escape
from fv2es.views.words import Say, english


def empty(say: Say = english) -> str:
    """Before anything is asked for."""
    what = say("Choose a clip, record yourself, or take an example; then press Submit.")
    then = say("Each utterance appears here as soon as it is read, while the rest is still being computed.")
    return f'<div class="fv-empty"><p>{what}</p><p>{then}</p></div>'


def status(sentence: str, share: float | None = None, busy: bool = False) -> str:
    """One line on how far it is. share: 0–1 of the clip; busy without a share: a bar that only moves."""
    bar = ""
    if busy:
        known = share is not None
        width = f' style="--value:{min(max(share or 0.0, 0.0), 1.0):.3f}"' if known else ""
        bar = f'<div class="fv-progress{"" if known else " fv-unknown"}" aria-hidden="true"><i{width}></i></div>'
    return f'<div class="fv-status" role="status"><p>{escape(sentence)}</p>{bar}</div>'


def notices(sentences: Sequence[str], problem: str | None = None) -> str:
    """Notes about the clip, and above them what went wrong, if anything did."""
    wrong = f'<p class="fv-notice fv-problem" role="alert">{escape(problem)}</p>' if problem else ""
    return wrong + "".join(f'<p class="fv-notice">{escape(one)}</p>' for one in sentences)
