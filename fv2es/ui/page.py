"""The page: its parts, and which of them does what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from fv2es.limits import Limits
from fv2es.media import Decoders
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech import ENGLISH, warm_up
from fv2es.pipeline import Analysis, analyse
from fv2es.takeaway import Shelf
from fv2es.ui.endpoint import READ_AT_ONCE, Answering, endpoint
from fv2es.ui.handlers import PARTS, Analyse, Handlers
from fv2es.ui.jobs import Jobs
from fv2es.ui.language import Words
from fv2es.ui.leftovers import Departed, Leftovers, Steady
from fv2es.ui.looking import Looking
from fv2es.ui.models import Models, find_models
from fv2es.ui.parts import AT_ONCE, PRIVATE, Parts, markup, named
from fv2es.ui.session import SPEAKERS, SPEECH, SPOKEN, Session
from fv2es.ui.tabs import build_tabs, wire_tabs
from fv2es.ui.words import about, about_model, head, speaker
from fv2es.views.notices import empty

EXAMPLES = Path(__file__).parents[2] / "examples"
SWEEP, KEEP = 600, 3600  # seconds: how often uploads are looked through, and how old they and results may get
ASKED = ("clip", "speech", "subtitles", "text", "speaker", "model", "language")  # as `Request` has them
CHOSEN = {"speech": SPEECH, "speaker": SPEAKERS, "language": SPOKEN}
# What grows comes in parts, of which Gradio sends those that are new.
JOINED = "${[].concat(value).join('')}"
# The browser's messages come through a component of their own, which is empty.
CONNECT = """
window.fv2es.connect((message) => { props.value = message; trigger('submit'); },
                     (token) => { props.value = token; trigger('select'); });
"""


class Page(Answering):
    """For `launch_options`: the standing words, the jobs being read, the folder of the examples."""

    words: Words
    jobs: Jobs
    examples: Path


def build_demo(
    analyse: Analyse | None = None,
    limits: Limits | None = None,
    examples: Path = EXAMPLES,
    models: Models | None = None,
    shelf: Shelf | None = None,
) -> Page:
    """The whole page, ready for `queue` and `launch`.

    analyse: as `shared_analyse` makes it. models: what may be chosen. Without either, those that ship and those that
    FV2ES_CHECKPOINT names are found, and the face finder is loaded, here, once for all visitors (raises CheckpointError
    where there are no weights). shelf: where results are kept for links; in the host's home where none is given, so
    that they outlive a restart.
    """
    if analyse is None:
        models = models or find_models()
        analyse = shared_analyse(models, limits or Limits.from_environment())
    shelf = shelf or Shelf(Path.home() / ".cache" / "fv2es" / "results", KEEP)
    looking = Looking(models, shelf, limits or Limits.from_environment())
    jobs = Jobs()
    handlers = Handlers(jobs.watched(analyse), looking, shelf, models)
    offers = models.offers if models else ()
    words = Words()
    with Page(title="FV2ES", analytics_enabled=False, delete_cache=(SWEEP, KEEP), fill_width=True) as demo:
        demo.words, demo.jobs, demo.examples = words, jobs, examples
        parts: Parts = {"session": gr.State(Session(), time_to_live=KEEP, delete_callback=Session.end)}
        markup(words.markup(partial(head, KEEP)))
        with gr.Row(elem_classes="fv-page"):
            with gr.Column(scale=4, min_width=300, elem_classes="fv-left"):
                parts |= _left(examples, models, words)
            with gr.Column(scale=7, min_width=300, elem_classes="fv-right"):
                parts |= _right(words)
        parts |= build_tabs(models, words)
        parts["bridge"] = gr.HTML("", html_template="", js_on_load=CONNECT, visible="hidden", elem_id="bridge")
        markup(words.markup(partial(about, offers)))
        _wire(demo, parts, handlers, {path.name for path in examples.glob("*.srt")})
        wire_tabs(parts, looking)
        endpoint(handlers, models)
        demo.unload(ends(demo, parts["session"]))
        files = [*demo.temp_file_sets, handlers.sounds.files]  # all parts are there
        demo.temp_file_sets = [*map(Steady, files), Leftovers(KEEP), Departed(demo, KEEP)]
    return demo


def shared_analyse(models: Models, limits: Limits) -> Analyse:
    """`pipeline.analyse` with what visitors share: the models and the face finder; all may serve several at once."""
    warm_up()
    common: dict[str, Any] = {"finder": FaceFinder(), "decoders": Decoders(), "limits": limits}

    def shared(path: str, *, model: str | None = None, **options: Any) -> Analysis:
        return analyse(path, reader=models.reader(model), **common, **options)

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
    parts |= _examples(examples, parts["clip"], subtitles, words)
    with gr.Accordion(words("Options"), open=False, elem_classes="fv-options"):
        parts |= _model(models, words)
        parts["speech"] = gr.Radio(SPEECH, value="auto", label=words("Who hears the words"))
        parts["language"] = gr.Dropdown(
            SPOKEN,
            value=ENGLISH,
            label=words("Language that is spoken"),
            info=words("For Whisper, which translates what is not English."),
            elem_id="language",
        )
        subtitles.render()
        parts["text"] = gr.Textbox(
            "", label=words("Or the words as typed"), info=words("One line for each utterance."), lines=2
        )
        parts["speaker"] = gr.Radio(SPEAKERS, value="largest", label=words("Whose face is followed"))
    parts["summary"] = markup(elem_id="summary", elem_classes="fv-live")
    parts["thresholds"] = markup(elem_id="thresholds", elem_classes="fv-live")
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
    described = words.markup(partial(about_model, chosen)) if chosen and chosen.about else ""
    return {"model": choice, "about-model": markup(described, visible=several)}


def _examples(folder: Path, clip: gr.Video, subtitles: gr.File, words: Words) -> Parts:
    """A button for each clip of the folder, if it has any; it brings its subtitles along."""
    clips = sorted(folder.glob("*.mp4"))
    captions = [path.with_suffix(".srt") for path in clips]
    if not clips:
        return {}
    offered = gr.Examples(
        [[str(one), str(text) if text.is_file() else None] for one, text in zip(clips, captions, strict=True)],
        inputs=[clip, subtitles],
        example_labels=[path.stem.replace("_", " ").capitalize() for path in clips],
        label=words("Examples, with their subtitles"),
        cache_examples=False,
        api_visibility="private",
    )
    return {"examples": offered.dataset}


def _right(words: Words) -> Parts:
    """What comes out: all utterances, and the card of the chosen one."""
    parts: Parts = {"status": markup(words.markup(empty)), "notices": markup()}
    with gr.Column(visible=False, elem_classes="fv-results fv-live") as parts["results"]:
        for name in ("timeline", "utterances"):
            parts[name] = markup(elem_id=name, html_template=JOINED)
        markup('<div class="fv-stage"></div>', elem_id="stage")
        parts["made-by"] = markup(elem_id="made-by")
        parts["feed"] = markup(elem_id="feed", visible="hidden")
    return parts


def _wire(demo: gr.Blocks, parts: Parts, handlers: Handlers, captions: set[str]) -> None:
    """Events; only what is read from a clip waits in the queue."""
    session = parts["session"]
    page = [parts[name] for name in PARTS]
    asked = [session, *(parts[name] for name in ASKED)]

    def greet(visitor: Session, request: gr.Request) -> dict[Any, Any]:
        handlers.greet(visitor, request.headers.get("accept-language", ""))
        return {session: visitor} | _choices(parts, visitor.language)

    def reopen(visitor: Session, token: str, request: gr.Request) -> Any:
        handlers.greet(visitor, request.headers.get("accept-language", ""))
        return named(parts, handlers.reopen)(visitor, token)

    told = [parts[name] for name in (*CHOSEN, "examples") if name in parts]
    demo.load(greet, session, [session, *told], **AT_ONCE)
    parts["bridge"].select(reopen, [session, parts["bridge"]], [session, *page], **AT_ONCE)
    begun = parts["submit"].click(named(parts, handlers.begin), asked, [session, *page], **AT_ONCE)
    read = begun.then(
        named(parts, handlers.read), session, page, concurrency_id="model", concurrency_limit=READ_AT_ONCE, **PRIVATE
    )
    read.failure(named(parts, handlers.failed), session, page, **AT_ONCE)
    read.then(named(parts, handlers.settle), session, page, **AT_ONCE)
    parts["stop"].click(named(parts, handlers.stop), session, page, cancels=read, **AT_ONCE)

    cleared = parts["clear"].click(named(parts, handlers.clear), session, [session, *page], cancels=read, **AT_ONCE)
    cleared.then(lambda: (None, None, ""), None, [parts["clip"], parts["subtitles"], parts["text"]], **AT_ONCE)
    parts["model"].input(named(parts, handlers.describe), [session, parts["model"]], parts["about-model"], **AT_ONCE)
    parts["bridge"].submit(
        named(parts, handlers.heed),
        [session, parts["bridge"]],
        page,
        trigger_mode="always_last",
        **AT_ONCE,
    )
    parts["clip"].change(named(parts, handlers.chosen), session, parts["notices"], **AT_ONCE)
    held = [session, parts["clip"], parts["subtitles"]]
    parts["clip"].change(forgets(captions), held, parts["subtitles"], **AT_ONCE)


def _choices(parts: Parts, language: str) -> dict[Any, Any]:
    """What may be chosen, in a language that is not English: Gradio translates labels, but no choices or examples."""
    if language == "en":
        return {}
    say = speaker(language)
    told: dict[Any, Any] = {
        parts[name]: type(parts[name])([(say(title), value) for title, value in choices])
        for name, choices in CHOSEN.items()
    }
    if "examples" in parts:
        told[parts["examples"]] = gr.Dataset(sample_labels=[say(label) for label in parts["examples"].sample_labels])
    return told


def forgets(captions: set[str]) -> Callable[[Session, str | None, str | None], Any]:
    """Another clip, or a part of one, has not the same words: drops subtitles that another was read with, and those of
    an example (named like one of `captions`) whose clip it is not."""

    def forget(session: Session, clip: str | None, subtitles: str | None) -> Any:
        if not subtitles:
            return gr.skip()
        read, name = session.run.request if session.run else None, Path(subtitles)
        of_another = read is not None and read.subtitles == subtitles and read.clip != clip
        of_an_example = name.name in captions and name.stem != Path(clip or "").stem
        return None if of_another or of_an_example else gr.skip()

    return forget


def ends(demo: gr.Blocks, session: gr.State) -> Callable[[gr.Request], None]:
    """For a closed tab: lets the work of its session stop at its next step, not only at its next utterance."""

    def end(request: gr.Request) -> None:
        demo.state_holder[str(request.session_hash)][session._id].end()

    return end
