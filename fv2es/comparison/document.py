"""The quality part of `compare`'s document (`docs/json.md`): every checkpoint on everything that has labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fv2es.comparison.ablation import Networks, recombine, separable
from fv2es.comparison.clips import on_clips, read_clips
from fv2es.comparison.quality import Answers, Say, on_pseudo, read_all
from fv2es.comparison.samples import FIT, MEASURE, Part, draw, read_parts, worn
from fv2es.emotions import MOSEI
from fv2es.reader import Reader, load_reader
from fv2es.training.checkpoint import SHARES, SILENT

WORDS_OF = "v2em-compact"  # whose words all ablations share, where it is one of them


def qualities(names: Sequence[str], data: Path, say: Say, speech: str = "auto") -> dict[str, Any]:
    """`checkpoints`, one entry each in the order of `names`, and `ablations`.

    Raises CheckpointError, OSError for a missing file of the data folder, and ValueError for emotions of another set.
    """
    readers = [load_reader(name) for name in names]
    for reader in readers:
        if reader.emotions != MOSEI:
            raise ValueError(f"{reader.name} names other emotions than the data folder does, so it cannot be scored.")
    if not readers:
        return {"checkpoints": [], "ablations": []}
    parts = read_parts(data, say)
    measure, half_silent = draw(parts, MEASURE), draw(parts, MEASURE, silent=SILENT)
    clips = read_clips(data / "video", say, speech)
    entries, answered = [], {}
    for reader in readers:
        answers, reports = read_all(reader, parts, say)
        answered[reader.name] = answers
        entries.append(
            {
                **reader.checkpoint.identity,
                "name": reader.name,
                "architecture": reader.checkpoint.architecture,
                "parts": reports,
                "pseudo_utterances": {**on_pseudo(answers, measure, parts, say), "seed": MEASURE},
                "half_silent": {**on_pseudo(answers, half_silent, parts, say), "seed": MEASURE},
                "clips": on_clips(reader, clips),
            }
        )
    return {"checkpoints": entries, "ablations": _ablations(separable(readers), answered, parts, say)}


def _ablations(readers: Sequence[Reader], answered: Mapping[str, Answers], parts: Sequence[Part], say: Say) -> list:
    if not readers:
        return []
    bad = [worn(part) for part in parts]
    networks = [Networks(answered[one.name], read_all(one, bad, say, "worn")[0]) for one in readers]
    names = [reader.name for reader in readers]
    words = WORDS_OF if WORDS_OF in names else names[0]
    say(f"{len(names) ** 2} combinations of {', '.join(names)}")
    return recombine(networks, words, parts, draw(parts, FIT, silent=SILENT, shares=SHARES), draw(parts, MEASURE))
