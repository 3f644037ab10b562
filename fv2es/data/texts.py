"""Labelled sentences: GoEmotions (Demszky et al. 2020), MELD (Poria et al. 2019), EmoryNLP (Zahiri & Choi 2018),
DailyDialog (Li et al. 2017), ISEAR (Scherer & Wallbott 1994)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
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


def read(folder: Path, part: str) -> list[Sentence]:
    """One part, such as "meld/train"; rows without a clean mapping are left out."""
    return list(_sentences(folder / f"{part}.tsv", part.partition("/")[0]))


def _sentences(path: Path, corpus: str) -> Iterator[Sentence]:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["labels"] and row["text"].strip():
                yield Sentence(row["text"], parse_labels(row["labels"]), tuple(row["raw_label"].split(",")), corpus)
