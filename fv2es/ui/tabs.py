"""The tabs under the result: what is in them, and which handler of `looking` does what."""

from __future__ import annotations

from functools import partial

import gradio as gr

from fv2es.schema import MODALITIES
from fv2es.takeaway import KINDS
from fv2es.ui.language import Words
from fv2es.ui.looking import PARTS as CHANGED
from fv2es.ui.looking import TABS, Looking
from fv2es.ui.models import Models
from fv2es.ui.parts import AT_ONCE, PRIVATE, Parts, markup, named

TITLES = {
    "attention": "Attention",
    "modalities": "Modalities",
    "what-if": "What if",
    "compare": "Compare",
    "files": "Files",
}
FILES = {
    "json": "JSON",
    "csv": "CSV",
    "srt": "Subtitles (SRT)",
    "vtt": "Subtitles (WebVTT)",
    "npz": "Attention (.npz)",
    "zip": "All of it (.zip)",
}
# The file has just come; the button that carries it needs a moment until the browser knows.
TAKE = "() => setTimeout(() => document.querySelector('#download').click(), 80)"
QUEUED = {**PRIVATE, "concurrency_limit": 2}


def build_tabs(models: Models | None, words: Words) -> Parts:
    """A tab is drawn when it is opened."""
    parts: Parts = {}
    with gr.Column(visible=False, elem_classes="fv-tabs fv-live") as parts["tabs"], gr.Tabs():
        for name, build in (
            ("attention", _attention),
            ("modalities", _modalities),
            ("what-if", _what_if),
            ("compare", partial(_compare, models=models)),
            ("files", _files),
        ):
            with gr.Tab(words(TITLES[name]), id=name) as parts[f"{name}-tab"]:
                parts |= build(words)
    parts["download"] = gr.DownloadButton(elem_id="download", elem_classes="fv-hidden")
    return parts


def _attention(words: Words) -> Parts:
    parts: Parts = {}
    with gr.Row(elem_classes="fv-controls"):
        parts["head"] = gr.Dropdown([], label=words("Head"), visible=False, min_width=150, elem_id="head")
        parts["piece"] = gr.Dropdown([], label=words("Piece of 0.4 s"), visible=False, min_width=150, elem_id="piece")
        parts["png"] = gr.Button(words("Save as PNG"), size="sm", min_width=110, elem_id="save-png")
    parts["attention"] = markup(elem_id="attention")
    return parts


def _modalities(words: Words) -> Parts:
    return {"modalities": markup(elem_id="modalities")}


def _what_if(words: Words) -> Parts:
    parts: Parts = {
        "other-words": gr.Textbox(
            label=words("What if these had been the words?"), lines=2, max_length=2000, elem_id="other-words"
        ),
        "left-out": gr.CheckboxGroup([*MODALITIES], label=words("And what if this were left out?"), elem_id="left-out"),
        "again": gr.Button(words("Read this utterance again"), variant="primary", elem_id="again"),
        "what-if": markup(elem_id="what-if"),
    }
    return parts


def _compare(words: Words, models: Models | None) -> Parts:
    offers = models.offers if models else ()
    names = [(one.title, one.name) for one in offers]
    if len(names) < 2:
        markup(words.markup(lambda say: f'<p class="fv-missing">{say("There is no second model here.")}</p>'))
    parts: Parts = {
        "other": gr.Radio(
            names,
            value=names[-1][1] if names else None,
            label=words("The same utterances, as this model reads them"),
            visible=len(names) > 1,
            elem_id="other",
        ),
        "compare-button": gr.Button(
            words("Compare"), variant="primary", visible=len(names) > 1, elem_id="compare-button"
        ),
        "compared": markup(elem_id="compared"),
        "compare": markup(elem_id="compare"),
    }
    return parts


def _files(words: Words) -> Parts:
    parts: Parts = {"files": markup(elem_id="files")}
    with gr.Row(elem_classes="fv-files"):
        for kind in KINDS:
            parts[kind] = gr.Button(words(FILES[kind]), min_width=150, elem_id=f"save-{kind}")
    with gr.Row(elem_classes="fv-files"):
        parts["annotate-button"] = gr.Button(
            words("Make the annotated video"), min_width=200, elem_id="annotate-button"
        )
        parts["link-button"] = gr.Button(words("Make a link to this result"), min_width=200, elem_id="link-button")
    parts["link"] = markup(elem_id="link")
    parts["annotate"] = markup(elem_id="annotate")
    parts["video"] = gr.Video(
        label=words("Annotated video"), visible=False, interactive=False, buttons=["download"], elem_id="annotated"
    )
    return parts


def wire_tabs(parts: Parts, looking: Looking) -> None:
    """Quick things at once; files and models in the queue, as generators need it."""
    session = parts["session"]
    changed = [parts[name] for name in CHANGED]
    for name in TABS:
        opened = parts[f"{name}-tab"].select
        if name == "attention":
            opened = opened(named(parts, looking.ask), session, parts[name], **AT_ONCE).then
        opened(named(parts, partial(looking.open, name=name)), session, changed, **AT_ONCE)
    chosen = [parts["head"], parts["piece"]]
    for part in chosen:
        part.input(named(parts, looking.look), [session, *chosen], changed, trigger_mode="always_last", **AT_ONCE)

    asked = [session, parts["other-words"], parts["left-out"]]
    parts["again"].click(named(parts, looking.again), asked, parts["what-if"], **PRIVATE)
    parts["compare-button"].click(
        named(parts, looking.compare), [session, parts["other"]], [parts["compare"], parts["compared"]], **QUEUED
    )
    for kind in (*KINDS, "png"):
        made = parts[kind].click(named(parts, partial(looking.file, kind=kind)), session, parts["download"], **QUEUED)
        made.success(None, js=TAKE, **PRIVATE)
    parts["annotate-button"].click(
        named(parts, looking.annotate), session, [parts["annotate"], parts["video"]], **QUEUED
    )
    parts["link-button"].click(named(parts, looking.link), session, parts["link"], **AT_ONCE)
