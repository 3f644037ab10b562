"""The three inputs that the model saw of an utterance: face crops, mel-spectrogram, transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN, band_frequencies
from fv2es.modalities.speech.languages import translated_from
from fv2es.schema import FACE, N_MELS, VOICE, WORDS, Reading, Transcript
from fv2es.views.bars import headline
from fv2es.views.markup import drawing, escape, new_figure, picture, quiet_axes
from fv2es.views.words import Say, english

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DYNAMIC_RANGE = 60.0  # dB below the loudest cell that are shown
SHADES = 48  # 1.25 dB each; as good to the eye as more, and half the data
SECONDS = "seconds"  # what the time axis says
FREQUENCIES = (250, 1000, 4000)  # Hz, marked on the axis
# Where words may come from, as a person would say it.
SOURCES = {
    "subtitles": "from the subtitles",
    "typed": "as typed",
    "whisper": "heard by Whisper",
    "pocketsphinx": "heard by PocketSphinx, roughly",
}
# The same where there are none.
SILENCES = {
    "subtitles": "The subtitles have no words here",
    "typed": "Nothing was typed for this utterance",
    "whisper": "Whisper heard no words here",
    "pocketsphinx": "PocketSphinx heard no words here",
}


def inputs_card(reading: Reading, say: Say = english) -> str:
    """All three side by side; what is missing says so."""
    panels = (
        (FACE, say("Face"), faces(reading, say)),
        (VOICE, say("Voice"), voice(reading, say)),
        (WORDS, say("Words"), words(reading, say)),
    )
    return '<div class="fv-card fv-inputs">{}</div>'.format(
        "".join(
            f'<section class="fv-input fv-input-{name}"><header><h3>{title}</h3>{_alone(reading, name, say)}</header>'
            f"{content}</section>"
            for name, title, content in panels
        )
    )


def faces(reading: Reading, say: Say = english) -> str:
    """Up to five crops with their times."""
    found = reading.utterance.faces
    if not found:
        return f'<p class="fv-missing">{say("No face was found here, so the face was left out.")}</p>'
    crops = "".join(
        f"<figure>{picture(face.pixels, say('The face at {time:.1f} seconds').format(time=face.time))}"
        f"<figcaption>{face.time:.1f} s</figcaption></figure>"
        for face in found
    )
    return f'<div class="fv-faces">{crops}</div>'


def voice(reading: Reading, say: Say = english) -> str:
    """The mel-spectrogram with a player below it, or a sentence where there is no sound.

    The player has no sound yet: `ui/page.js` brings it when the card is looked at.
    """
    figure = spectrogram_figure(reading)
    if figure is None:
        return f'<p class="fv-missing">{say("No speech was heard here, so the voice was left out.")}</p>'
    label = say("Mel-spectrogram from {start:.1f} to {end:.1f} seconds, up to 8 kHz")
    drawn = drawing(figure, label.format(start=reading.span.start, end=reading.span.end))
    # Said here and not in the figure, whose fonts have not the letters of every language.
    return drawn.replace(f">{SECONDS}</text>", f">{say(SECONDS)}</text>") + _player(reading, say)


def _player(reading: Reading, say: Say) -> str:
    if not len(reading.utterance.waveform):
        return f'<p class="fv-source">{say("The sound itself is not here.")}</p>'
    label = say("The sound of utterance {n}").format(n=reading.index + 1)
    return f'<audio class="fv-sound" controls preload="none" aria-label="{label}"></audio>'


def spectrogram_figure(reading: Reading) -> Figure | None:
    """Seconds of the clip across, mel bands upwards with their frequency in Hz; brighter is louder (60 dB)."""
    mel = reading.utterance.mel
    if not mel.shape[1]:
        return None
    import matplotlib

    figure = new_figure(3.3, 1.5)
    axes = quiet_axes(figure)
    start = reading.span.start
    axes.imshow(
        decibels(mel),
        cmap=matplotlib.colormaps["magma"].resampled(SHADES),
        vmin=-DYNAMIC_RANGE,
        vmax=0,
        origin="lower",
        aspect="auto",
        extent=(start, start + mel.shape[1] * SECONDS_PER_COLUMN, 0, N_MELS),
    )
    bands = np.interp(FREQUENCIES, band_frequencies(), np.arange(N_MELS) + 0.5)
    axes.set_yticks(bands, [f"{one / 1000:g}k" if one >= 1000 else str(one) for one in FREQUENCIES])
    axes.set(xlabel=SECONDS, ylabel="Hz")
    axes.locator_params(axis="x", nbins=6)
    return figure


def decibels(mel: np.ndarray) -> np.ndarray:
    """Power → dB below the loudest cell; silence is the floor everywhere."""
    loudest = float(mel.max(initial=0.0))
    if loudest <= 0:
        return np.full(mel.shape, -DYNAMIC_RANGE)
    return 10 * np.log10(np.maximum(mel / loudest, 10 ** (-DYNAMIC_RANGE / 10)))


def words(reading: Reading, say: Say = english) -> str:
    """The transcript, escaped, and where it came from."""
    transcript: Transcript = reading.utterance.transcript
    if not transcript:
        heard = "whisper" if translated_from(transcript.source) else transcript.source
        why = say(SILENCES.get(heard, "There are no words here"))
        return f'<p class="fv-missing">{escape(why)}{say(", so the words were left out.")}</p>'
    source = source_words(transcript, say)
    return f'<blockquote>{escape(transcript.text)}</blockquote><p class="fv-source">{escape(source)}</p>'


def source_words(transcript: Transcript, say: Say = english) -> str:
    """Where words come from and, where a recogniser tells, how sure it is of them, for people."""
    source, language = transcript.source, translated_from(transcript.source)
    if language is None:
        told = say(SOURCES.get(source, source))
    else:
        told = say("heard by Whisper, translated from {language}").format(language=say(language))
    if not transcript.in_doubt:
        return told
    return say("{source}, {share} % sure").format(source=told, share=round(100 * transcript.confidence))


def _alone(reading: Reading, name: str, say: Say) -> str:
    """What this modality says by itself."""
    values = reading.modalities.get(name)
    if values is None:
        return f'<span class="fv-alone">{say("left out")}</span>'
    answer = headline(reading.emotions, values, reading.thresholds, say)
    return f'<span class="fv-alone">{say("alone:")} <span class="fv-words">{answer}</span></span>'
