"""The clip of the figures and what the shipped models make of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

import fv2es
from fv2es.again import rerun
from fv2es.hub import open_checkpoint, weights_of
from fv2es.models.registry import create_model
from fv2es.reader import Reader
from fv2es.schema import Reading
from fv2es.views.attention.maps import levels_of

CLIP = Path(__file__).resolve().parents[2] / "examples" / "good_news.mp4"
UTTERANCE = -1  # of the clip, in the figures that show one
MODEL, FOCAL, QUERIES = "v2em-compact", "rfam-focal-compact", "emotion-queries-compact"


@cache
def reader(name: str = MODEL) -> Reader:
    return fv2es.load_reader(name)


@cache
def readings() -> list[Reading]:
    """The whole clip, with its own subtitles."""
    return list(fv2es.analyse(CLIP, reader=reader(), speech=CLIP.with_suffix(".srt"), attention=True))


def shown(name: str = MODEL) -> Reading:
    """The utterance of the figures, read by this model."""
    reading = readings()[UTTERANCE]
    return reading if name == MODEL else rerun(reader(name), reading, attention=True)


def piece_shown() -> int:
    """That in which level 1 tells cells apart most."""
    level = levels_of(shown())[0]
    return int(np.argmax([level.cells(piece=one).std() for one in range(len(level.shares))]))


def training_form(name: str) -> torch.nn.Module:
    """The weights as they were learnt: what ships still has all branches, and folds when it is loaded."""
    from safetensors.torch import load_file

    checkpoint = open_checkpoint(name)
    model = create_model(checkpoint.architecture, checkpoint.emotions)
    model.load_state_dict(load_file(str(weights_of(checkpoint))))
    return model.eval().requires_grad_(False)
