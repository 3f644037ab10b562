"""Validation items made as bad as real clips are: far faces, rooms and microphones, misheard words.

Fusion is fitted on these, because what a modality is worth beside the others in a visitor's clip is not what it is
worth in its own corpus, where voices are studio recordings and texts were typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from fv2es.data.ferplus import Faces
from fv2es.data.speech import Clip
from fv2es.data.texts import Sentence
from fv2es.training import faces, voice

MISHEARD = 0.12  # of the words: about what Whisper gets wrong in spontaneous speech


def worn_faces(clean: Faces, seed: int = 0) -> Faces:
    """Through the augmentation of training, at full size."""
    torch.manual_seed(seed)
    pixels = faces.augment(torch.from_numpy(clean.pixels)[:, None].float(), clean.pixels.shape[-1])
    return replace(clean, pixels=pixels[:, 0].round().clamp(0, 255).byte().numpy())


def worn_clips(clean: Sequence[Clip], seed: int = 0) -> list[Clip]:
    """Through the augmentation of training, at its full strength, and other microphones."""
    rng = np.random.default_rng(seed)
    return [replace(clip, mel=voice.other_microphone(voice.augment(clip.mel, 1.0, rng), rng)) for clip in clean]


def worn_sentences(clean: Sequence[Sentence], seed: int = 0) -> list[Sentence]:
    """Without punctuation and case; of the words some are lost and some are others of the same texts."""
    rng = np.random.default_rng(seed)
    words = [
        ["".join(c for c in word if c.isalnum() or c == "'") for word in one.text.lower().split()] for one in clean
    ]
    known = [word for one in words for word in one]
    return [replace(one, text=" ".join(_misheard(said, known, rng))) for one, said in zip(clean, words, strict=True)]


def _misheard(words: list[str], known: list[str], rng: np.random.Generator) -> list[str]:
    """Half of what goes wrong is left out; the last word that is left stays."""
    kept = [word for word in words if rng.random() >= MISHEARD / 2] or words[:1]
    return [known[rng.integers(len(known))] if rng.random() < MISHEARD / 2 else word for word in kept]
