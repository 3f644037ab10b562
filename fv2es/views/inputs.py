"""The three inputs that the model saw of an utterance: face crops, mel-spectrogram, transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fv2es.emotions import NEUTRAL
from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN, band_frequencies
from fv2es.schema import FACE, N_MELS, VOICE, WORDS, Reading, Transcript
from fv2es.views.markup import drawing, escape, new_figure, picture, quiet_axes, sentence_list

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DYNAMIC_RANGE = 60.0  # dB below the loudest cell that are shown
SHADES = 48  # 1.25 dB each; as good to the eye as more, and half the data
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


def inputs_card(reading: Reading) -> str:
    """All three side by side; what is missing says so."""
    panels = ((FACE, "Face", faces(reading)), (VOICE, "Voice", voice(reading)), (WORDS, "Words", words(reading)))
    return '<div class="fv-card fv-inputs">{}</div>'.format(
        "".join(
            f'<section class="fv-input fv-input-{name}"><header><h4>{title}</h4>{_alone(reading, name)}</header>'
            f"{content}</section>"
            for name, title, content in panels
        )
    )


def faces(reading: Reading) -> str:
    """Up to five crops with their times."""
    found = reading.utterance.faces
    if not found:
        return '<p class="fv-missing">No face was found here, so the face was left out.</p>'
    crops = "".join(
        f"<figure>{picture(face.pixels, f'The face at {face.time:.1f} seconds')}"
        f"<figcaption>{face.time:.1f} s</figcaption></figure>"
        for face in found
    )
    return f'<div class="fv-faces">{crops}</div>'


def voice(reading: Reading) -> str:
    """The mel-spectrogram, or a sentence where there is no sound."""
    figure = spectrogram_figure(reading)
    if figure is None:
        return '<p class="fv-missing">No speech was heard here, so the voice was left out.</p>'
    span = reading.span
    return drawing(figure, f"Mel-spectrogram from {span.start:.1f} to {span.end:.1f} seconds, up to 8 kHz")


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
    axes.set(xlabel="seconds", ylabel="Hz")
    axes.locator_params(axis="x", nbins=6)
    return figure


def decibels(mel: np.ndarray) -> np.ndarray:
    """Power → dB below the loudest cell; silence is the floor everywhere."""
    loudest = float(mel.max(initial=0.0))
    if loudest <= 0:
        return np.full(mel.shape, -DYNAMIC_RANGE)
    return 10 * np.log10(np.maximum(mel / loudest, 10 ** (-DYNAMIC_RANGE / 10)))


def words(reading: Reading) -> str:
    """The transcript, escaped, and where it came from."""
    transcript: Transcript = reading.utterance.transcript
    if not transcript:
        why = SILENCES.get(transcript.source, "There are no words here")
        return f'<p class="fv-missing">{escape(why)}, so the words were left out.</p>'
    source = SOURCES.get(transcript.source, transcript.source)
    return f'<blockquote>{escape(transcript.text)}</blockquote><p class="fv-source">{escape(source)}</p>'


def _alone(reading: Reading, name: str) -> str:
    """What this modality says by itself."""
    values = reading.modalities.get(name)
    if values is None:
        return '<span class="fv-alone">left out</span>'
    hits = [one for one, hit in zip(reading.emotions, values >= reading.thresholds, strict=True) if hit]
    return f'<span class="fv-alone">alone: {escape(sentence_list(hits or [NEUTRAL]))}</span>'
