"""The whole way, and how the voice network sees the sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fv2es.emotions import COLOURS
from fv2es.media import open_media
from fv2es.modalities.spectrogram import PIECE_COLUMNS, SECONDS_PER_COLUMN, SECONDS_PER_PIECE
from fv2es.models.inputs import heard_columns, piece_array, prepare_mel
from fv2es.schema import MODALITIES, VOICE, Frame
from fv2es.views.attention import attention_figure
from fv2es.views.inputs import decibels
from tools.method.clip import CLIP, piece_shown, reader, readings, shown
from tools.method.drawing import FAINT, INK, SOUND, TINTS, arrow, box, canvas, image, panel, sheet


def flow() -> Figure:
    """From the clip to what is shown, each stage with what it made of the example."""
    stages = (
        ("media", "one pass, in a\nprocess of its own", "Sound, Frame"),
        ("utterances", "Silero VAD,\n0.5 to 15 s", "Span"),
        ("modalities", "MTCNN, mel,\nsubtitles or Whisper", "Utterance"),
        ("model", "a network each,\nthen fusion", "Prediction"),
        ("results", "sigmoid, thresholds,\naverages", "Reading"),
        ("views", "bars, timeline,\nattention, files", ""),
    )
    figure = sheet(10.4, 3.1)
    over = canvas(figure)
    width, gap = 1.45, 0.29
    for place, (name, how, noun) in enumerate(stages):
        x = 0.15 + place * (width + gap)
        box(over, x, 2.05, width, 0.95, "")
        over.text(x + width / 2, 2.82, name, ha="center", va="center", fontweight="bold", fontsize=10.5)
        over.text(x + width / 2, 2.4, how, ha="center", va="center", fontsize=8.5, linespacing=1.35)
        if noun:
            arrow(over, (x + width, 2.52), (x + width + gap, 2.52))
            over.text(x + width + gap / 2, 1.9, noun, ha="center", va="center", fontsize=8.5, style="italic")
    lefts = [0.15 + place * (width + gap) for place in range(len(stages))]
    _frame(panel(figure, lefts[0] + 0.1, 0.5, 1.25, 1.25))
    _spans(panel(figure, lefts[1], 0.5, width, 1.25))
    _inputs(figure, lefts[2], width)
    _bars(
        panel(figure, lefts[3] + 0.48, 0.5, width - 0.48, 1.25),
        {TINTS[name]: shown().modalities[name] for name in MODALITIES},
    )
    _bars(panel(figure, lefts[4] + 0.48, 0.5, width - 0.48, 1.25), {"": shown().probabilities}, shown().thresholds)
    lanes = panel(figure, lefts[5], 0.5, width, 1.25)
    image(lanes, np.stack([one.probabilities for one in readings()], axis=1)[::-1], "Oranges", 0, 1)
    captions = ("a frame", "what is said when", "face, voice, words", "each alone", "fused; | = threshold",
                "emotions over time")  # fmt: skip
    for x, words in zip(lefts, captions, strict=True):
        over.text(x + width / 2, 0.27, words, ha="center", va="center", fontsize=8.5, color=FAINT)
    return figure


def _frame(axes: Axes) -> None:
    span = shown().span
    with open_media(CLIP) as media:
        frame = next(one for one in media.read([(span.start + span.end) / 2]) if isinstance(one, Frame))
    axes.imshow(frame.pixels[::4, ::4])


def _spans(axes: Axes) -> None:
    for one in readings():
        wave = np.abs(one.utterance.waveform)
        peaks = wave[: len(wave) // 160 * 160].reshape(-1, 160).max(1)
        times = one.span.start + np.arange(len(peaks)) / 100
        axes.axvspan(one.span.start, one.span.end, color=TINTS[VOICE], alpha=0.15, linewidth=0)
        axes.fill_between(times, -peaks, peaks, color=TINTS[VOICE], linewidth=0)
    axes.set_xlim(0, readings()[-1].span.end + 0.3)


def _inputs(figure: Figure, left: float, width: float) -> None:
    utterance = shown().utterance
    for place, face in enumerate(utterance.faces[:3]):
        panel(figure, left + place * 0.5, 1.3, 0.45, 0.45).imshow(face.pixels[::2, ::2])
    image(panel(figure, left, 0.78, width, 0.46), decibels(utterance.mel), SOUND, -60, 0)
    said = utterance.transcript.text
    said = said if len(said) < 24 else said[:22].rsplit(" ", 1)[0] + " …"
    figure.text((left + width / 2) / figure.get_figwidth(), 0.6 / figure.get_figheight(), f"“{said}”",
                ha="center", va="center", fontsize=8)  # fmt: skip


def _bars(axes: Axes, series: dict[str, np.ndarray], thresholds: np.ndarray | None = None) -> None:
    emotions, high = shown().emotions, 0.8 / len(series)
    rows = np.arange(len(emotions))[::-1].astype(float)
    for number, (colour, values) in enumerate(series.items()):
        colours = [colour or COLOURS[name] for name in emotions]
        axes.barh(rows + 0.4 - (number + 0.5) * high, values, high, color=colours)
    if thresholds is not None:
        axes.vlines(thresholds, rows - 0.45, rows + 0.45, color=INK, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(emotions) - 0.4))
    axes.set_yticks(rows, emotions, fontsize=7)
    axes.tick_params(length=0, pad=2)


def pieces() -> Figure:
    """The spectrogram of the utterance, cut; one piece as four channels; the blocks of the three levels."""
    utterance, mel = shown().utterance, reader().model.inputs.mel
    part, ready = heard_columns(utterance.mel, mel), prepare_mel(utterance.mel, mel)
    low, high = np.quantile(ready, (0.02, 0.995))
    cut = piece_array(utterance.mel, mel)
    chosen = piece_shown()
    figure = sheet(10.4, 5.3)
    over = canvas(figure)
    whole = panel(
        figure,
        0.75,
        3.75,
        9.4,
        1.15,
        "What the voice network hears: log-mel of the utterance, 128 bands, in pieces of 0.4 s",
    )
    image(whole, ready, SOUND, low, high, extent=(part.start, part.stop, 0, 128))
    for edge in range(part.start, part.stop, PIECE_COLUMNS):
        whole.axvline(edge, color="white", linewidth=0.8)
    begin = part.start + chosen * PIECE_COLUMNS
    end = min(begin + PIECE_COLUMNS, part.stop)
    whole.add_patch(Rectangle((begin, 0), end - begin, 128, fill=False, edgecolor="#56B4E9", linewidth=2.5))
    ticks = np.arange(part.start, part.stop, round(1 / SECONDS_PER_COLUMN / 2))
    whole.set_xticks(ticks, [f"{utterance.span.start + one * SECONDS_PER_COLUMN:.1f} s" for one in ticks])
    one = panel(figure, 0.75, 0.75, 0.72, 2.3, "one piece")
    image(one, cut[chosen].reshape(128, 32), SOUND, low, high)
    for channel in range(1, 4):
        one.axhline(32 * channel - 0.5, color="white", linewidth=1)
    over.text(1.11, 0.5, "128 × 32", ha="center", va="center", color=FAINT)
    arrow(over, (1.55, 1.9), (1.95, 1.9))
    for channel in range(4):
        left, bottom = 2.05 + 0.2 * channel, 0.75 + 0.28 * channel
        axes = panel(figure, left, bottom, 1.3, 1.3)
        axes.set_zorder(10 - channel)
        image(axes, cut[chosen, channel], SOUND, low, high)
        axes.spines[:].set(edgecolor="white", linewidth=1.5)
        figure.text(
            (left + 1.36) / 10.4,
            (bottom + 0.13) / 5.3,
            f"bands {32 * channel + 1}–{32 * channel + 32}",
            va="center",
            fontsize=8,
            color=FAINT,
            zorder=20,
        )
    over.text(2.05, 3.13, "the network’s input", fontweight="bold", va="center")
    over.text(2.7, 0.5, "4 × 32 × 32", ha="center", va="center", color=FAINT)
    over.text(5.3, 3.13, "attention stays inside a block; merging widens blocks", fontweight="bold",
              va="center")  # fmt: skip
    edges = [5.3, 7.05, 8.8]
    for number, (left, blocks) in enumerate(zip(edges, (4, 2, 1), strict=True), start=1):
        _blocks(figure, over, left, number, blocks)
    for start, stop in pairwise(edges):
        arrow(over, (start + 1.4, 1.6), (stop - 0.03, 1.6))
        over.text((start + stop + 1.35) / 2, 1.7, "merge", ha="center", fontsize=7.5, color=FAINT)
    arrow(over, (4.75, 1.6), (5.25, 1.6))
    return figure


def _blocks(figure: Figure, over: Axes, left: float, number: int, blocks: int) -> None:
    """A level as its grid: one cell, and the block that it may attend to."""
    side = 8 * blocks
    axes = panel(figure, left, 0.95, 1.35, 1.35, f"level {number}")
    axes.set(xlim=(0, side), ylim=(0, side))
    for cell in range(1, side):
        axes.axhline(cell, color="#eaeef2", linewidth=0.4)
        axes.axvline(cell, color="#eaeef2", linewidth=0.4)
    x, y = (8 * (blocks // 2), 8 * (blocks // 2)) if blocks > 1 else (0, 0)
    axes.add_patch(Rectangle((x, y), 8, 8, facecolor="#F7C9A9", edgecolor="none"))
    axes.add_patch(Rectangle((x + 3, y + 4), 1, 1, facecolor=TINTS[VOICE]))
    for edge in range(blocks + 1):
        axes.axhline(8 * edge, color=INK, linewidth=1)
        axes.axvline(8 * edge, color=INK, linewidth=1)
    count = f"{blocks**2} blocks" if blocks > 1 else "one block"
    over.text(left + 0.675, 0.62, f"{side} × {side} cells, {count};\na cell sees {SECONDS_PER_PIECE / blocks:g} s",
              ha="center", va="center", fontsize=8, color=FAINT, linespacing=1.4)  # fmt: skip


def attention() -> Figure:
    """The page's own figure, as it is taken away."""
    return attention_figure(shown(), piece=piece_shown())
