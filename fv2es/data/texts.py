"""Labelled sentences: GoEmotions (Demszky et al. 2020), MELD (Poria et al. 2019), EmoryNLP (Zahiri & Choi 2018),
DailyDialog (Li et al. 2017), ISEAR (Scherer & Wallbott 1994)."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from fv2es.emotions import parse_labels


@dataclass(frozen=True)
class Sentence:
    """labels: emotions in CMU-MOSEI order, () = neutral. fine: the corpus's own labels."""

    text: str
    labels: tuple[str, ...]
    fine: tuple[str, ...]
    corpus: str


# Parts that may be learnt from, and those that are kept for validation.
TRAIN = ("goemotions/train", "meld/train", "emorynlp/train", "emorynlp/valid", "emorynlp/test",
         "dailydialog/train_partial", "dailydialog/valid", "dailydialog/test", "isear/all")  # fmt: skip
VALID = ("goemotions/valid", "meld/valid")
LONG = 6  # words
_WORD = re.compile(r"[a-z']+")


def read(folder: Path, part: str) -> list[Sentence]:
    """One part, such as "meld/train"; rows without a clean mapping are left out.

    Of what is kept for validation, so are scenes that are learnt from in another transcript: MELD and EmoryNLP tell the
    same series. A dialogue of which a line of LONG words or more stands in TRAIN is left out, all of it.
    """
    rows = _rows(folder, part)
    if part in VALID:
        learnt = [other for other in TRAIN if (folder / f"{other}.tsv").exists()]
        known = {_words(row["text"]) for other in learnt for row in _rows(folder, other)}
        seen = {_scene(row) for row in rows if len(words := _words(row["text"])) >= LONG and words in known}
        rows = [row for row in rows if _scene(row) not in seen]
    corpus = part.partition("/")[0]
    return [
        Sentence(row["text"], parse_labels(row["labels"]), tuple(row["raw_label"].split(",")), corpus)
        for row in rows
        if row["labels"] and row["text"].strip()
    ]


def _rows(folder: Path, part: str) -> list[dict[str, str]]:
    with (folder / f"{part}.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _scene(row: dict[str, str]) -> str:
    """Its dialogue, or itself where it belongs to none."""
    return row.get("dialogue") or row["text"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower().replace("\u2019", "'").replace("\x92", "'")))
