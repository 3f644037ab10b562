"""How the page's parts are made and named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

Parts = dict[str, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
AT_ONCE: dict[str, Any] = {"queue": False, **PRIVATE}


def markup(value: Any = "", **options: Any) -> gr.HTML:
    """Markup of ours, styled by `style.css` alone."""
    return gr.HTML(value, apply_default_css=False, js_on_load=None, **options)


def named(parts: Parts, handler: Callable[..., Any]) -> Callable[..., Any]:
    """`handler`, with the names in its updates replaced by the page's components."""

    def components(update: dict[str, Any]) -> Any:
        return {parts[name]: value for name, value in update.items()} or gr.skip()

    def once(*arguments: Any) -> dict[Any, Any]:
        return components(handler(*arguments))

    def streamed(*arguments: Any) -> Iterator[dict[Any, Any]]:
        update = None
        for update in handler(*arguments):
            yield components(update)
        if update is None:
            yield gr.skip()  # Gradio empties the outputs of a generator that gives nothing

    return streamed if inspect.isgeneratorfunction(handler) else once
