"""What is said about pictures of attention: what stands in them, how to read them, and what they cannot tell."""

from __future__ import annotations

import numpy as np

from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN, SECONDS_PER_PIECE
from fv2es.schema import N_MELS, Reading
from fv2es.views.attention.maps import BLOCK, FOCAL, NESTED, Level, heard, piece_spans, row_frequencies
from fv2es.views.bars import seconds
from fv2es.views.words import Say, english

FOLDED = (
    "Before the network sees a piece, its 128 mel bands are folded into four channels of 32, so a cell stands for four "
    "places on the frequency axis at once: the rows are drawn four times, between the thin lines, and which of the "
    "four mattered cannot be told. Time is not folded. Attention is shared out inside each block (here {blocks} wide, "
    "level by level), so compare the cells of a block with one another, and not one moment with a later one."
)
WHOLE = (
    "The network sees a piece as one picture, so a row is what it seems, a band of frequencies. A cell shows how "
    "strongly its place is modulated by its surroundings (the size of its modulator), less or more than the level’s "
    "mean over the utterance."
)
BRIGHTNESS = "Brightness is loudness."
QUIET = "What is grey was too quiet and was cut off before the model."


def head_words(level: Level, head: int | None, say: Say = english) -> str:
    """ "head 2 of 4", "mean of 4 heads", "" where there are none."""
    if not level.heads:
        return ""
    if head is not None and level.has(head):
        return say("head {n} of {count}").format(n=head + 1, count=level.heads)
    return say("mean of {count} heads").format(count=level.heads)


def piece_words(reading: Reading, piece: int | None, say: Say = english) -> str:
    """ "average of 6 pieces of 0.4 s", "piece 2 of 6, 1.2–1.6 s"."""
    spans = piece_spans(reading)
    if piece is None:
        return say("average of {count} pieces of 0.4 s").format(count=len(spans))
    return say("piece {n} of {count}, {time}").format(n=piece + 1, count=len(spans), time=seconds(spans[piece]))


def block_words(level: Level, say: Say = english) -> str:
    """ "16 blocks", "one block"; the map's size where it has no blocks."""
    if level.kind == NESTED:
        return say("{count} blocks").format(count=level.blocks**2) if level.blocks > 1 else say("one block")
    rows, columns = level.shares.shape[2:]
    return say("{rows} × {columns} cells").format(rows=rows, columns=columns)


def reading_aid(kind: str, reach: float, say: Say = english) -> str:
    """How to read the colours, with numbers: a paragraph. reach: doublings at both ends."""
    warm = say("Warm = modulated" if kind == FOCAL else "Warm = attended")
    than = say("more than {even}.").format(even=even_word(kind, say))
    less, more = (say(one).format(times=2**reach) for one in ("{times:.2g} × less", "{times:.2g} × more"))
    return (
        f'<p class="fv-reading-aid"><span><b>{warm}</b> {than}</span><span class="fv-key">{less}'
        f'<i class="fv-scale" aria-hidden="true"></i>{more}</span></p>'
    )


def even_word(kind: str, say: Say = english) -> str:
    """What the colours compare with."""
    return say("the mean" if kind == FOCAL else "an even share")


def explanation(reading: Reading, levels: list[Level], say: Say = english) -> str:
    """What can be said of the picture and what cannot."""
    said = say(WHOLE)
    if levels[0].kind == NESTED:
        widths = [SECONDS_PER_PIECE * BLOCK / level.shares.shape[3] for level in levels]
        said = say(FOLDED).format(blocks=", ".join(f"{width:.2g} s" for width in widths))
    cut = heard(reading) != slice(0, reading.utterance.mel.shape[1])
    return " ".join([said, say(BRIGHTNESS), *([say(QUIET)] if cut else [])])


def strongest(reading: Reading, level: Level, laid_out: np.ndarray, say: Say = english) -> str:
    """Where a level has its strongest cell. laid_out: its doublings, (128, columns that were heard)."""
    row, column = (int(one) for one in np.unravel_index(int(laid_out.argmax()), laid_out.shape))
    high = N_MELS // level.folds
    hertz = row_frequencies(level, row % high * level.shares.shape[2] // high)
    return say("most at {time:.1f} s near {frequencies} kHz, {times:.1f} × {even}").format(
        time=reading.span.start + (heard(reading).start + column + 0.5) * SECONDS_PER_COLUMN,
        frequencies=" / ".join(f"{one / 1000:.1f}" for one in hertz),
        times=2 ** laid_out[row, column],
        even=even_word(level.kind, say),
    )
