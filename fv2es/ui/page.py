"""The page: its parts, and which of them does what."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from fv2es.limits import Limits
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech import warm_up
from fv2es.pipeline import Analysis, analyse
from fv2es.ui.handlers import DRAWN, TABS, Analyse, Handlers, Update
from fv2es.ui.language import Words
from fv2es.ui.models import Models, find_models
from fv2es.ui.session import Session
from fv2es.ui.words import about, about_model, head
from fv2es.views.notices import empty

if TYPE_CHECKING:
    from gradio.blocks import BlockFunction
    from gradio.state_holder import SessionState

EXAMPLES = Path(__file__).parents[2] / "examples"
AT_ONCE = 2  # clips that are read at the same time; the others wait in the queue
SWEEP, KEEP = 600, 3600  # seconds: how often uploads are looked through, and how old they may get
SPEECH = [
    ("automatic", "auto"),
    ("Whisper", "whisper"),
    ("PocketSphinx (rough, offline)", "pocketsphinx"),
    ("no words", "none"),
]
SPEAKERS = [("the largest face", "largest"), ("in the left half", "left"), ("in the right half", "right")]
PARTS = ("status", "notices", "results", "tabs", "submit", "stop", *DRAWN, *TABS)  # what a run changes
ENDPOINT, LEAST = "analyze", 5  # values that programs send, from the first version on
# The browser's messages come through a component of their own, which is empty.
CONNECT = "window.fv2es.connect((message) => { props.value = message; trigger('submit'); })"
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

Parts = dict[str, Any]


class Page(gr.Blocks):
    """Blocks whose endpoint goes on answering the programs of yesterday, who send fewer values than it takes today.

    words: the standing ones, for `launch_options`.
    """

    words: Words

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        if block_fn.api_name == ENDPOINT:
            inputs = [*inputs, *(getattr(one, "value", None) for one in block_fn.inputs[max(len(inputs), LEAST) :])]
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)


def build_demo(
    analyse: Analyse | None = None,
    limits: Limits | None = None,
    examples: Path = EXAMPLES,
    models: Models | None = None,
) -> gr.Blocks:
    """The whole page, ready for `queue` and `launch`.

    analyse: as `shared_analyse` makes it. models: what may be chosen. Without either, those that ship and those that
    FV2ES_CHECKPOINT names are found, and the face finder is loaded, here, once for all visitors (raises CheckpointError
    where there are no weights).
    """
    if analyse is None:
        models = models or find_models()
        analyse = shared_analyse(models, limits or Limits.from_environment())
    offers = models.offers if models else ()
    handlers = Handlers(analyse, offers)
    words = Words()
    with Page(title="FV2ES", analytics_enabled=False, delete_cache=(SWEEP, KEEP), fill_width=True) as demo:
        demo.words = words
        parts: Parts = {"session": gr.State(Session(), time_to_live=KEEP, delete_callback=Session.end)}
        _html(words.markup(partial(head, KEEP)))
        with gr.Row(elem_classes="fv-page"):
            with gr.Column(scale=4, min_width=300, elem_classes="fv-left"):
                parts |= _left(examples, models, words)
            with gr.Column(scale=7, min_width=300, elem_classes="fv-right"):
                parts |= _right(words)
        parts |= _tabs(words)
        parts["bridge"] = gr.HTML("", html_template="", js_on_load=CONNECT, visible="hidden", elem_id="bridge")
        _html(words.markup(partial(about, offers)))
        _wire(demo, parts, handlers, {path.name for path in examples.glob("*.srt")})
        _endpoint(handlers, models)
        demo.unload(ends(demo, parts["session"]))
    return demo


def shared_analyse(models: Models, limits: Limits) -> Analyse:
    """`pipeline.analyse` with what visitors share: the models and the face finder; all may serve several at once."""
    warm_up()
    finder = FaceFinder()

    def shared(path: str, *, model: str | None = None, **options: Any) -> Analysis:
        return analyse(path, reader=models.reader(model), finder=finder, limits=limits, attention=True, **options)

    return shared


def _left(examples: Path, models: Models | None, words: Words) -> Parts:
    """The clip and how to read it; below, the average over all of it, and the thresholds."""
    subtitles = gr.File(label=words("Subtitles instead"), file_types=[".srt", ".vtt"], height=110, render=False)
    parts: Parts = {
        "clip": gr.Video(
            label=words("Clip"),
            show_label=False,
            sources=["upload", "webcam"],
            include_audio=True,
            buttons=[],
            elem_id="clip",
        ),
        "subtitles": subtitles,
    }
    with gr.Row(elem_classes="fv-buttons"):
        parts["submit"] = gr.Button(words("Submit"), variant="primary", min_width=90, elem_id="submit")
        parts["stop"] = gr.Button(words("Stop"), interactive=False, min_width=70, elem_id="stop")
        parts["clear"] = gr.Button(words("Clear"), min_width=70, elem_id="clear")
    _examples(examples, parts["clip"], subtitles, words)
    with gr.Accordion(words("Options"), open=False, elem_classes="fv-options"):
        parts |= _model(models, words)
        parts["speech"] = gr.Radio(SPEECH, value="auto", label=words("Who hears the words"))
        subtitles.render()
        parts["text"] = gr.Textbox(
            "", label=words("Or the words as typed"), info=words("One line for each utterance."), lines=2
        )
        parts["speaker"] = gr.Radio(SPEAKERS, value="largest", label=words("Whose face is followed"))
    parts["summary"] = _html(elem_id="summary", elem_classes="fv-live")
    parts["thresholds"] = _html(elem_id="thresholds", elem_classes="fv-live")
    return parts


def _model(models: Models | None, words: Words) -> Parts:
    """Which model reads the next clip; hidden where there is no choice."""
    offers = models.offers if models else ()
    chosen = next((one for one in offers if models and one.name == models.default), None)
    several = len(offers) > 1
    choice = gr.Radio(
        [(one.title, one.name) for one in offers],
        value=chosen.name if chosen else None,
        label=words("Model"),
        visible=several,
        elem_id="model",
    )
    return {"model": choice, "about-model": _html(about_model(chosen) if chosen else "", visible=several)}


def _examples(folder: Path, clip: gr.Video, subtitles: gr.File, words: Words) -> None:
    """A button for each clip of the folder; it brings its subtitles along."""
    clips = sorted(folder.glob("*.mp4"))
    captions = [path.with_suffix(".srt") for path in clips]
    if clips:
        gr.Examples(
            [[str(one), str(text) if text.is_file() else None] for one, text in zip(clips, captions, strict=True)],
            inputs=[clip, subtitles],
            example_labels=[path.stem.replace("_", " ").capitalize() for path in clips],
            label=words("Examples, with their subtitles"),
            cache_examples=False,
            api_visibility="private",
        )


def _right(words: Words) -> Parts:
    """What comes out: all utterances, and the card of the chosen one."""
    parts: Parts = {"status": _html(words.markup(empty)), "notices": _html()}
    with gr.Column(visible=False, elem_classes="fv-results fv-live") as parts["results"]:
        for name in ("timeline", "utterances"):
            parts[name] = _html(elem_id=name)
        _html('<div class="fv-stage"></div>', elem_id="stage")
        parts["made-by"] = _html(elem_id="made-by")
        parts["feed"] = _html(elem_id="feed", visible="hidden")
    return parts


def _tabs(words: Words) -> Parts:
    """What may be looked into of the chosen utterance; a tab is drawn when it is opened."""
    parts: Parts = {}
    with (
        gr.Column(visible=False, elem_classes="fv-tabs fv-live") as parts["tabs"],
        gr.Tabs(),
        gr.Tab(words("Attention"), id="attention") as parts["attention-tab"],
    ):
        parts["attention"] = _html(elem_id="attention")
    return parts


def _html(value: Any = "", **options: Any) -> gr.HTML:
    """Markup of ours, styled by `style.css` alone."""
    return gr.HTML(value, apply_default_css=False, js_on_load=None, **options)


def _wire(demo: gr.Blocks, parts: Parts, handlers: Handlers, captions: set[str]) -> None:
    """Events; only what is read from a clip waits in the queue."""
    session = parts["session"]
    page = [parts[name] for name in PARTS]
    asked = [session, *(parts[name] for name in ("clip", "speech", "subtitles", "text", "speaker", "model"))]
    at_once = {"queue": False, **PRIVATE}

    def greet(session: Session, request: gr.Request) -> Session:
        handlers.greet(session, request.headers.get("accept-language", ""))
        return session

    demo.load(greet, session, session, **at_once)
    begun = parts["submit"].click(named(parts, handlers.begin), asked, [session, *page], **at_once)
    read = begun.then(
        named(parts, handlers.read), session, page, concurrency_id="model", concurrency_limit=AT_ONCE, **PRIVATE
    )
    read.failure(named(parts, handlers.full), session, page, **at_once)
    parts["stop"].click(named(parts, handlers.stop), session, page, cancels=read, **at_once)

    cleared = parts["clear"].click(named(parts, handlers.clear), session, [session, *page], cancels=read, **at_once)
    cleared.then(lambda: (None, None, ""), None, [parts["clip"], parts["subtitles"], parts["text"]], **at_once)
    parts["model"].input(named(parts, handlers.describe), parts["model"], parts["about-model"], **at_once)
    parts["bridge"].submit(
        named(parts, handlers.heed), [session, parts["bridge"]], page, trigger_mode="always_last", **at_once
    )
    for name in TABS:
        parts[f"{name}-tab"].select(named(parts, partial(handlers.open, name=name)), session, page, **at_once)

    forget = forgets(captions)
    for event in (parts["clip"].upload, parts["clip"].stop_recording, parts["clip"].clear):
        event(forget, parts["subtitles"], parts["subtitles"], **at_once)


def forgets(captions: set[str]) -> Callable[[str | None], Any]:
    """A visitor's own clip has not the words of an example: drops subtitles named like one of `captions`."""

    def forget(subtitles: str | None) -> Any:
        return None if subtitles and Path(subtitles).name in captions else gr.skip()

    return forget


def ends(demo: gr.Blocks, session: gr.State) -> Callable[[gr.Request], None]:
    """For a closed tab: lets the work of its session stop at its next step, not only at its next utterance."""

    def end(request: gr.Request) -> None:
        demo.state_holder[str(request.session_hash)][session._id].end()

    return end


def named(parts: Parts, handler: Callable[..., Any]) -> Callable[..., Any]:
    """`handler`, with the names in its updates replaced by the page's components."""

    def components(update: Update) -> dict[Any, Any]:
        return {parts[name]: value for name, value in update.items()}

    def once(*arguments: Any) -> dict[Any, Any]:
        return components(handler(*arguments))

    def streamed(*arguments: Any) -> Iterator[dict[Any, Any]]:
        for update in handler(*arguments):
            yield components(update)

    return streamed if inspect.isgeneratorfunction(handler) else once


def _endpoint(handlers: Handlers, models: Models | None) -> None:
    """`analyze`, for programs; its parts are not on the page."""
    standard = models.default if models else None
    clip = gr.File(visible=False, label="clip", type="filepath")
    speech = gr.Radio(SPEECH, value="auto", visible=False, label="speech")
    subtitles = gr.File(visible=False, label="subtitles", type="filepath", file_types=[".srt", ".vtt"])
    text = gr.Textbox("", visible=False, label="text")
    speaker = gr.Radio(SPEAKERS, value="largest", visible=False, label="speaker")
    names = [one.name for one in models.offers] if models else []
    model = gr.Radio(names, value=standard, visible=False, label="model")
    result = gr.JSON(visible=False, label="result")

    def analyze(
        clip: str,
        speech: str = "auto",
        subtitles: str | None = None,
        text: str = "",
        speaker: str = "largest",
        model: str | None = standard,
    ) -> Iterator[dict[str, Any]]:
        """Read the emotions expressed in a clip, utterance by utterance, from face, voice and words.

        Args:
            clip: a video, a sound file or a picture.
            speech: who hears the words: auto, whisper, pocketsphinx or none.
            subtitles: an SRT or WebVTT file, used instead of hearing.
            text: the words as typed, used before all else; one line for each utterance.
            speaker: whose face is followed: largest, left or right.
            model: which of the models that are here reads it.

        Returns:
            The result so far, at last the whole one, in the form that docs/json.md describes.
        """
        yield from handlers.analyze(clip, speech, subtitles, text, speaker, model)

    gr.Button(visible=False).click(
        analyze,
        [clip, speech, subtitles, text, speaker, model],
        result,
        api_name=ENDPOINT,
        concurrency_id="model",
        concurrency_limit=AT_ONCE,
        show_progress="hidden",
    )
