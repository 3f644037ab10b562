"""What each emotion's query looks at: words, faces, pieces of the voice, and the summary token `[CLS]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fv2es.emotions import COLOURS
from fv2es.schema import FACE, VOICE, WORDS, Reading
from fv2es.views.attention.maps import LEAST, piece_spans, reach_of
from fv2es.views.attention.pictures import COLOURS as WARMTH
from fv2es.views.attention.pictures import palette, shades
from fv2es.views.attention.words import reading_aid
from fv2es.views.markup import escape
from fv2es.views.words import Say, english

CLS = "cls"
PARTS = {WORDS: "words", FACE: "face", VOICE: "voice", CLS: "summary"}
MOST = {WORDS: "most at “{place}”", FACE: "most at the face at {place}", VOICE: "most at the voice at {place}"}
EXPLANATION = (
    "Each emotion has a query of its own that reads the fused sequence of words, faces and pieces of the voice; the "
    "summary is the sequence’s own [CLS] token, which carries something of all: in the compact model, what words, face "
    "and voice answer by themselves. A cell compares a token with an even share of the query’s attention, averaged "
    "over layers. Where a query looks is not yet what it makes of it."
)
LONGEST_LABEL = 14  # letters of a word above its column


@dataclass(frozen=True, eq=False)
class Looks:
    """shares: part → (E, columns), what each query gives to each word, face or piece; all parts together sum to 1.
    tokens: part → (columns,) how many tokens a column has. labels: part → what stands above its columns."""

    emotions: tuple[str, ...]
    shares: Mapping[str, np.ndarray]
    tokens: Mapping[str, np.ndarray]
    labels: Mapping[str, list[str]]

    def parts(self) -> dict[str, np.ndarray]:
        """part → (E,) its whole share."""
        return {name: share.sum(1) for name, share in self.shares.items()}

    def doublings(self) -> dict[str, np.ndarray]:
        """part → (E, columns): attention for each token of a column over an even share of all, 0 = even."""
        whole = sum(int(count.sum()) for count in self.tokens.values())
        return {
            name: np.log2(np.maximum(share / self.tokens[name] * whole, LEAST)) for name, share in self.shares.items()
        }


def heads_of_queries(reading: Reading) -> int:
    """0 where there are no queries."""
    return next((len(one[0]) for name, one in (reading.attention or {}).items() if name == f"queries_{CLS}"), 0)


def looks_of(reading: Reading, head: int | None = None) -> Looks | None:
    """The mean over layers, and over heads where `head` is not one of theirs."""
    heads = heads_of_queries(reading)
    if not heads:
        return None
    records = reading.attention or {}
    chosen = slice(head, head + 1) if head is not None and 0 <= head < heads else slice(None)
    raw = {
        part: records[f"queries_{part}"][:, chosen].mean((0, 1), dtype=np.float64)
        for part in PARTS
        if f"queries_{part}" in records
    }
    labels = {FACE: [f"{face.time:.1f} s" for face in reading.utterance.faces], CLS: ["[CLS]"]}
    labels[VOICE] = [f"{span.start:.1f} s" for span in piece_spans(reading)]
    tokens = {part: np.ones(share.shape[1], int) for part, share in raw.items()}
    if WORDS in raw:
        labels[WORDS], groups = _words(reading.utterance.transcript.text, records.get("tokens"), raw[WORDS].shape[1])
        raw[WORDS] = np.stack([raw[WORDS][:, group].sum(1) for group in groups], axis=1)
        tokens[WORDS] = np.array([len(group) for group in groups])
    return Looks(reading.emotions, raw, tokens, {part: labels[part] for part in raw})


def queries_section(reading: Reading, head: int | None = None, say: Say = english) -> str:
    """The shares of each query in words and as bars, then a table of warm and cold cells; "" without queries."""
    looks = looks_of(reading, head)
    if looks is None:
        return ""
    rows = "".join(_shares(looks, row, say) for row in range(len(looks.emotions)))
    heads = heads_of_queries(reading)
    which = say("mean of {count} heads").format(count=heads)
    if head is not None and 0 <= head < heads:
        which = say("head {n} of {count}").format(n=head + 1, count=heads)
    return (
        f'<section class="fv-queries"><h4>{say("What each emotion’s query looks at")} <small>{which}</small></h4>'
        f'<ul class="fv-looks" role="list">{rows}</ul>{_table(looks, say)}<p>{say(EXPLANATION)}</p></section>'
    )


def _words(text: str, tokens: np.ndarray | None, count: int) -> tuple[list[str], list[list[int]]]:
    """Labels and, for each, its tokens: those of one word together."""
    if tokens is None or len(tokens) != count:
        return [str(number) for number in range(count)], [[number] for number in range(count)]
    words = list(re.finditer(r"\S+", text))
    ends = [word.end() for word in words]
    groups: dict[int, list[int]] = {}
    for number, (start, end) in enumerate(tokens):
        word = int(np.searchsorted(ends, start, side="right")) if end > start else -1
        groups.setdefault(word, []).append(number)
    return ["[CLS]" if word < 0 else words[min(word, len(words) - 1)].group() for word in groups], [*groups.values()]


def _shares(looks: Looks, row: int, say: Say) -> str:
    """One emotion: its name, a bar cut in shares, the same in words."""
    emotion = looks.emotions[row]
    shares = {part: float(share[row]) for part, share in looks.parts().items()}
    bar = "".join(
        f'<span class="fv-share fv-share-{part}" style="--value:{share:.4f}"></span>' for part, share in shares.items()
    )
    spoken = ", ".join(
        f'<span><i class="fv-part fv-share-{part}"></i>{say(PARTS[part])} {100 * share:.0f} %</span>'
        for part, share in shares.items()
    )
    most = _most(looks, row, say)
    return (
        f'<li><span class="fv-name"><i style="background:{COLOURS[emotion]}"></i>{escape(say(emotion))}</span>'
        f'<span class="fv-shares" aria-hidden="true">{bar}</span>'
        f'<span class="fv-look">{spoken}{escape(f"; {most}" if most else "")}</span></li>'
    )


def _most(looks: Looks, row: int, say: Say) -> str:
    """The column that gets most for each of its tokens, `[CLS]` aside; "" where there is none."""
    found = {part: values[row] for part, values in looks.doublings().items() if part != CLS}
    if not found:
        return ""
    part = max(found, key=lambda name: found[name].max())
    label = looks.labels[part][int(found[part].argmax())]
    return say(MOST[part]).format(place=label)


def _table(looks: Looks, say: Say) -> str:
    """For the eye; what it tells is said in words above."""
    values = {part: one for part, one in looks.doublings().items() if part != CLS}
    if not values:
        return ""
    reach = reach_of(list(values.values()))
    groups = "".join(f'<th colspan="{one.shape[1]}">{say(PARTS[part])}</th>' for part, one in values.items())
    heads = "".join(
        f'<th class="fv-upright{" fv-first" if not place else ""}"><span>{escape(_short(label))}</span></th>'
        for part in values
        for place, label in enumerate(looks.labels[part])
    )
    rows = "".join(
        f"<tr><th>{escape(say(emotion))}</th>{''.join(_cells(one[row], reach) for one in values.values())}</tr>"
        for row, emotion in enumerate(looks.emotions)
    )
    return (
        f"{reading_aid(CLS, reach, say)}"
        f'<div class="fv-scroll" tabindex="0" role="region" aria-label="{say("What each emotion’s query looks at")}">'
        f'<table class="fv-heat" aria-hidden="true"><thead><tr><td></td>{groups}</tr><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cells(values: np.ndarray, reach: float) -> str:
    colours = palette(WARMTH)[shades(values, -reach, reach)]
    firsts = (' class="fv-first"', *[""] * (len(values) - 1))
    return "".join(
        f'<td{first} style="background:#{bytes(colour).hex()}"></td>'
        for first, colour in zip(firsts, colours, strict=True)
    )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
