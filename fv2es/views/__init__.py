"""Results → pictures and words for people. HTML and Matplotlib figures; neither torch nor gradio.

A new plot of an utterance is one function, Reading → HTML, and one row in VIEWS; the page shows them in this order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fv2es.schema import Reading
from fv2es.views.attention import attention_card
from fv2es.views.bars import reading_chart, summary_chart
from fv2es.views.inputs import inputs_card


@dataclass(frozen=True)
class View:
    """One way to look at an utterance. folded: shown only when a visitor opens it."""

    title: str
    draw: Callable[[Reading], str]
    folded: bool = False


VIEWS = {
    "emotions": View("Emotions", reading_chart),
    "inputs": View("What the model saw", inputs_card),
    "attention": View("Where the voice model looks", attention_card, folded=True),
}

__all__ = ["VIEWS", "View", "attention_card", "inputs_card", "reading_chart", "summary_chart"]
