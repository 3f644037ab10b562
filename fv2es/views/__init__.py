"""Results → pictures and words for people. HTML and Matplotlib figures; neither torch nor gradio.

A new plot of an utterance is one function, Reading → HTML, and one row in VIEWS; its card shows them in this order.
"""

from __future__ import annotations

from collections.abc import Callable

from fv2es.schema import Reading
from fv2es.views.attention import attention_card
from fv2es.views.bars import reading_chart, summary_chart
from fv2es.views.inputs import inputs_card
from fv2es.views.words import Say

VIEWS: dict[str, Callable[[Reading, Say], str]] = {"emotions": reading_chart, "inputs": inputs_card}

__all__ = ["VIEWS", "attention_card", "inputs_card", "reading_chart", "summary_chart"]
