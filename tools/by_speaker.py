"""How a voice answers people whom its calibration has not met: `python -m tools.by_speaker DATA` (a minute).

Each validation speaker is answered with bias and thresholds that were fitted on the others, in turn; beside it, with
those fitted on all of them, as it ships. The networks have heard none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from fv2es.data import speech
from fv2es.data.ferplus import CLASSES, one_hot
from fv2es.emotions import MOSEI
from fv2es.hub import list_checkpoints
from fv2es.models.blocks.fusion import one_vs_rivals
from fv2es.reader import load_reader
from fv2es.schema import VOICE
from fv2es.training.calibration import F1, SHARED_F1, Scored, calibrate, decide, evenly
from fv2es.training.voice import macro_recall, whole_clips

NORMS = (1.0, 2.0, 3.0, 5.0, 50.0)
NEUTRAL = len(MOSEI)
SETTLED = {F1: "each emotion", SHARED_F1: "shared"}


def answers(part: Scored, settled_on: np.ndarray, answered: np.ndarray, goal: str) -> np.ndarray:
    """Rows to fit on, rows to answer (N,) bool → what those are answered with."""
    weight = evenly(part.label[settled_on])
    fitted = Scored(part.logits[settled_on], part.truth[settled_on], weight / weight.sum())
    found = calibrate({VOICE: fitted}, {VOICE: goal})
    return decide(part.logits[answered] * found.scale[0] + found.bias[0], found.thresholds)


def figures(guess: np.ndarray, label: np.ndarray, english: np.ndarray) -> list[float]:
    """Macro recall on RAVDESS and on EmoDB; the share of neutral clips taken for neutral."""
    recalls = [macro_recall(guess[rows], label[rows]) for rows in (english, ~english)]
    return [*recalls, float((guess[label == NEUTRAL] == NEUTRAL).mean())]


def main(data: Path) -> None:
    clips = speech.read(data / "speech", "valid")
    label = np.array([clip.label for clip in clips])
    speaker = np.array([clip.speaker for clip in clips])
    english = np.array([clip.corpus == "ravdess" for clip in clips])
    everybody = np.full(len(clips), True)
    print("| checkpoint | others in norm | settled | left out: RAVDESS | EmoDB | neutral | none left out |")
    print("|---|---:|---|---:|---:|---:|---|")
    for name in list_checkpoints():
        model = load_reader(name).model
        if model.readout[VOICE] == "independent":
            continue
        with torch.inference_mode():
            raw = whole_clips(model.voice, clips, model.inputs.mel).double()
        first = torch.cat([raw, torch.zeros(len(raw), 1)], dim=1).argmax(1).numpy()
        row(name, "", "likeliest of seven", figures(first, label, english))
        for norm in NORMS:
            part = Scored(one_vs_rivals(raw, norm).numpy(), one_hot(label), evenly(label) / len(CLASSES))
            for goal, settled in SETTLED.items():
                guess = np.empty_like(label)
                for one in np.unique(speaker):
                    guess[speaker == one] = answers(part, speaker != one, speaker == one, goal)
                known = figures(answers(part, everybody, everybody, goal), label, english)
                row(name, f"{norm:g}", settled, figures(guess, label, english), known)


def row(name: str, norm: str, settled: str, found: list[float], known: list[float] | None = None) -> None:
    cells = [f"{value:.3f}".lstrip("0") for value in found]
    beside = ", ".join(f"{value:.3f}".lstrip("0") for value in known or ())
    print(f"| `{name}` | {norm} | {settled} | {' | '.join(cells)} | {beside} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.by_speaker", description=__doc__)
    parser.add_argument("data", type=Path)
    main(parser.parse_args().data)
