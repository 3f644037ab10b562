"""`analyze`, for programs: the one endpoint that the page shows to them, and its MCP tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from fv2es.modalities.speech import ENGLISH
from fv2es.ui.handlers import Handlers
from fv2es.ui.models import Models
from fv2es.ui.session import SPEAKERS, SPEECH, SPOKEN

if TYPE_CHECKING:
    from gradio.blocks import BlockFunction
    from gradio.state_holder import SessionState

NAME, LEAST = "analyze", 5  # values that programs send, from the first version on
NOT_AS_ASKED = "A request needs the values that “Use via API” names, and files uploaded as Gradio's clients do it."
READ_AT_ONCE = 2  # clips; the others wait in the queue


class Answering(gr.Blocks):
    """Blocks whose endpoint goes on answering the programs of yesterday, who send fewer values than it takes today, and
    those that send null where they mean the default; and whose MCP tool answers in JSON, not as Python writes a
    dictionary."""

    _tools: Any = None

    @property
    def mcp_server_obj(self) -> Any:
        """Gradio's own, which it sets when the page is launched."""
        return self._tools

    @mcp_server_obj.setter
    def mcp_server_obj(self, server: Any) -> None:
        if server is not None:
            server.postprocess_output_data = lambda data, root_url: [
                server.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in data
            ]
        self._tools = server

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        if block_fn.api_name == NAME:
            sent = [*inputs, *(None for _ in block_fn.inputs[max(len(inputs), LEAST) :])]
            pairs = zip(sent, block_fn.inputs, strict=False)
            inputs = [getattr(part, "value", None) if value is None else value for value, part in pairs]
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error as error:  # as what was sent is in the sentence, the log is to have none of it
            raise gr.Error(error.message, print_exception=False) from None
        except ValueError:  # too few values, a path of the server's, something else than a file
            raise gr.Error(NOT_AS_ASKED, print_exception=False) from None


def endpoint(handlers: Handlers, models: Models | None) -> None:
    """`analyze`, for programs; its parts are not on the page."""
    standard = models.default if models else None
    clip = gr.File(visible=False, label="clip", type="filepath")
    speech = gr.Radio(SPEECH, value="auto", visible=False, label="speech")
    subtitles = gr.File(visible=False, label="subtitles", type="filepath", file_types=[".srt", ".vtt"])
    text = gr.Textbox("", visible=False, label="text")
    speaker = gr.Radio(SPEAKERS, value="largest", visible=False, label="speaker")
    names = [one.name for one in models.offers] if models else []
    model = gr.Radio(names, value=standard, visible=False, label="model")
    language = gr.Dropdown(SPOKEN, value=ENGLISH, visible=False, label="language")
    result = gr.JSON(visible=False, label="result")

    def analyze(
        clip: str,
        speech: str = "auto",
        subtitles: str | None = None,
        text: str = "",
        speaker: str = "largest",
        model: str | None = standard,
        language: str = ENGLISH,
    ) -> Iterator[dict[str, Any]]:
        """Read the emotions expressed in a clip, utterance by utterance, from face, voice and words.

        Args:
            clip: a video, a sound file or a picture.
            speech: who hears the words: auto, whisper, pocketsphinx or none.
            subtitles: an SRT or WebVTT file, used instead of hearing.
            text: the words as typed, used before all else; one line for each utterance.
            speaker: whose face is followed: largest, left or right.
            model: which of the models that are here reads it.
            language: that is spoken, as a code such as es, or auto; Whisper translates what is not English (en).

        Returns:
            The result so far, at last the whole one, in the form that docs/json.md describes.
        """
        yield from handlers.analyze(clip, speech, subtitles, text, speaker, model, language)

    gr.Button(visible=False).click(
        analyze,
        [clip, speech, subtitles, text, speaker, model, language],
        result,
        api_name=NAME,
        concurrency_id="model",
        concurrency_limit=READ_AT_ONCE,
        show_progress="hidden",
    )
