"""The standing words of the page in every language, of which the browser chooses."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
from gradio.i18n import I18nData

from fv2es.ui.words import LANGUAGES, speaker
from fv2es.views.words import Say

VARIETIES = {"zh": ("zh", "zh-CN")}  # the names by which Gradio may ask for a language


class Words:
    """Collects the page's words while it is built; `i18n` then goes to `launch`."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}

    def __call__(self, sentence: str) -> I18nData:
        """A label."""
        return self.markup(lambda say: say(sentence))

    def markup(self, written: Callable[[Say], str]) -> I18nData:
        """HTML that `written` makes in any language."""
        key = f"fv{len(self._tables['en'])}"
        for language, table in self._tables.items():
            table[key] = written(speaker(language)).replace("'", "’")  # a quotation mark in Gradio's message format
        return I18nData(key)

    @property
    def i18n(self) -> gr.I18n:
        names = {name: table for one, table in self._tables.items() for name in VARIETIES.get(one, (one,))}
        return gr.I18n(**names)
