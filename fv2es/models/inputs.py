"""Utterances → a padded batch with masks; what a model sees is written in its `InputConfig`, kept with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fv2es.modalities.spectrogram import N_FFT, PIECE_COLUMNS, pieces
from fv2es.schema import FACE, MODALITIES, N_MELS, SAMPLE_RATE, WORDS, Utterance

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tokenizer(Protocol):
    """Text → token ids, `[CLS]` first, at most `length` of them.

    One that also has `spans` (see `tokenizer.SubwordTokenizer`) can say which characters each token stands for.
    """

    def encode(self, text: str, length: int) -> list[int]: ...


@dataclass(frozen=True)
class FaceInput:
    """How a crop becomes (C, side, side). `grey`: luma alone (ITU-R 601). `normalise`: "fixed" by mean and std on
    0–255 (V2EM's), or "crop": each crop by its own mean and deviation, which takes exposure out."""

    side: int = 48
    grey: bool = False
    normalise: str = "fixed"
    mean: tuple[float, ...] = (159.0, 111.0, 102.0)
    std: tuple[float, ...] = (37.0, 33.0, 32.0)
    mirror: bool = False  # average the logits of the crop and its mirror image


@dataclass(frozen=True)
class MelInput:
    """How the power mel-spectrogram becomes pieces. `log`: ln(max(mel, floor)). `trim_db`: cut both ends that stay
    that far below the loudest column; 0 = keep all. `standardise`: mean 0, deviation 1 over the utterance."""

    log: bool = False
    floor: float = 1e-5
    level: float = 0.0  # scale the utterance so that its loudest columns' mean power is this before the floor; 0 = no
    trim_db: float = 0.0
    standardise: bool = False


@dataclass(frozen=True)
class InputConfig:
    """All that stands between an utterance and the network."""

    face: FaceInput = FaceInput()
    mel: MelInput = MelInput()
    max_tokens: int = 100
    tokenizer: str = "albert/albert-base-v2"  # a Hub name, or a file beside the weights
    waveform: float = 0.0  # seconds of the raw waveform, from its start; 0 = the network takes none

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InputConfig:
        """The inverse of `dataclasses.asdict`, after a round through JSON. Raises ValueError for unknown fields."""
        parts = {"face": (FaceInput, values.get("face", {})), "mel": (MelInput, values.get("mel", {}))}
        for kind, settings in ((cls, values), *parts.values()):
            known = {one.name for one in fields(kind)}
            if strangers := set(settings) - known:
                raise ValueError(f"Unknown input settings {sorted(strangers)}; known: {sorted(known)}.")
        face: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in parts["face"][1].items()}
        rest = {key: value for key, value in values.items() if key not in parts}
        return replace(cls(), face=FaceInput(**face), mel=MelInput(**parts["mel"][1]), **rest)


@dataclass(frozen=True, eq=False)
class Batch:
    """B utterances. faces (ΣF, C, S, S), pieces (ΣN, 4, 32, 32): all utterances' one behind the other, counted by
    face_counts and piece_counts (B,); tokens (B, L) with token_mask True at words. A count or row of zero = missing.
    If asked for, else empty: waves (B, n), zero-padded, of which the first wave_lengths (B,) samples count. confidence
    (B,): the chance that the words were said, empty where that is 1 for all."""

    faces: Tensor
    face_counts: Tensor
    pieces: Tensor
    piece_counts: Tensor
    tokens: Tensor
    token_mask: Tensor
    waves: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    wave_lengths: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    confidence: Tensor = field(default_factory=lambda: torch.zeros(0))

    def __len__(self) -> int:
        return len(self.face_counts)

    @property
    def present(self) -> Tensor:
        """(B, 3) bool: face, voice, words."""
        sound = self.wave_lengths if len(self.wave_lengths) else self.piece_counts
        return torch.stack([self.face_counts > 0, sound > 0, self.token_mask.any(1)], dim=1)

    @property
    def in_doubt(self) -> Tensor:
        """(D,) which utterances have something else beside words that may not have been said."""
        present = self.present
        unsure = self.confidence < 1 if len(self.confidence) else torch.zeros_like(present[:, 0])
        return (unsure & present[:, MODALITIES.index(WORDS)] & (present.sum(1) > 1)).nonzero()[:, 0]

    @property
    def occurring(self) -> list[str]:
        """The modalities that somebody has."""
        return [name for name, there in zip(MODALITIES, self.present.any(0).tolist(), strict=True) if there]

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        """What a modality's network takes of the B' utterances that have it: faces or pieces and how many each has
        (B',), or tokens and their mask (B', L)."""
        if name == WORDS:
            there = self.token_mask.any(1)
            return self.tokens[there], self.token_mask[there]
        items, counts = (self.faces, self.face_counts) if name == FACE else (self.pieces, self.piece_counts)
        return items, counts[counts > 0]

    def to(self, device: torch.device | str) -> Batch:
        """The same on that device."""
        return Batch(*(getattr(self, one.name).to(device) for one in fields(self)))


def face_tensor(crop: np.ndarray, settings: FaceInput) -> Tensor:
    """(side, side, 3) uint8 RGB of any side → (C, S, S) float32."""
    return face_batch(torch.tensor(np.ascontiguousarray(crop)).permute(2, 0, 1)[None], settings)[0]


def face_batch(pixels: Tensor, settings: FaceInput) -> Tensor:
    """(N, 3 or 1, s, s) uint8 or float 0–255 → (N, C, S, S) float32, as the network takes it."""
    x = pixels.float()
    if settings.grey and x.shape[1] == 3:
        x = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    if x.shape[-1] != settings.side:
        x = F.interpolate(x, (settings.side, settings.side), mode="bilinear", antialias=True)
    if settings.normalise == "crop":
        mean = x.mean((1, 2, 3), keepdim=True)
        return (x - mean) / x.std((1, 2, 3), keepdim=True).clamp_min(8.0)
    shape = (-1, 1, 1)
    return (x - x.new_tensor(settings.mean).reshape(shape)) / x.new_tensor(settings.std).reshape(shape)


def heard_columns(mel: np.ndarray, settings: MelInput) -> slice:
    """Which columns of (128, T) power are left when the quiet ends are cut off."""
    if not settings.trim_db or mel.shape[1] == 0:
        return slice(0, mel.shape[1])
    power = mel.mean(0)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-settings.trim_db / 10))
    return slice(int(loud[0]), int(loud[-1]) + 1)


def prepare_mel(mel: np.ndarray, settings: MelInput) -> np.ndarray:
    """(128, T) power → (128, T') as the network takes it, before it is cut into pieces."""
    if mel.shape[1] == 0:
        return mel
    mel = mel[:, heard_columns(mel, settings)]
    power = mel.mean(0)
    if settings.level:
        loudest = np.sort(power)[-max(1, len(power) // 4) :].mean()
        mel = mel * (settings.level / max(loudest, 1e-10))
    if settings.log:
        mel = np.log(np.maximum(mel, settings.floor))
    if settings.standardise:
        mel = (mel - mel.mean()) / max(float(mel.std()), 1e-3)
    return mel.astype(np.float32)


def piece_array(mel: np.ndarray, settings: MelInput) -> np.ndarray:
    """(128, T) power → (N, 4, 32, 32): channel c holds bands 32c … 32c + 31, rows = band, columns = time."""
    return pieces(prepare_mel(mel, settings)).reshape(-1, 4, N_MELS // 4, PIECE_COLUMNS)


def make_batch(utterances: Sequence[Utterance], config: InputConfig, tokenizer: Tokenizer | None) -> Batch:
    """Stack what the utterances have.

    Raises ValueError where there are words but no tokenizer, or a voice whose waveform is asked for and not kept.
    """
    crops = [face_tensor(face.pixels, config.face) for one in utterances for face in one.faces]
    channels = 1 if config.face.grey else 3
    cut = [piece_array(one.mel, config.mel) for one in utterances]
    tokens, token_mask = _token_batch([one.transcript.text for one in utterances], config.max_tokens, tokenizer)
    waves, wave_lengths = _wave_batch(utterances, config.waveform)
    return Batch(
        faces=torch.stack(crops) if crops else torch.zeros(0, channels, config.face.side, config.face.side),
        face_counts=torch.tensor([len(one.faces) for one in utterances]),
        pieces=torch.from_numpy(np.concatenate(cut)) if cut else torch.zeros(0, 4, 32, 32),
        piece_counts=torch.tensor([len(one) for one in cut]),
        tokens=tokens,
        token_mask=token_mask,
        waves=waves,
        wave_lengths=wave_lengths,
        confidence=torch.tensor([one.transcript.confidence for one in utterances]),
    )


def _wave_batch(utterances: Sequence[Utterance], seconds: float) -> tuple[Tensor, Tensor]:
    """(B, n) and (B,); there is a voice where there is a spectrogram, so that all models hear the same utterances."""
    most = round(seconds * SAMPLE_RATE)
    rows = []
    for one in utterances if most else ():
        heard = one.mel.shape[1] > 0
        if heard and len(one.waveform) < N_FFT:
            raise ValueError(f"This model hears the waveform, and that of the voice at {one.span.start:.1f} s is gone.")
        rows.append(np.ascontiguousarray(one.waveform[: most if heard else 0], np.float32))
    waves = torch.zeros(len(rows), max(map(len, rows), default=0))
    for line, row in zip(waves, rows, strict=True):
        line[: len(row)] = torch.from_numpy(row)
    return waves, torch.tensor([len(row) for row in rows], dtype=torch.long)


def _token_batch(texts: Sequence[str], length: int, tokenizer: Tokenizer | None) -> tuple[Tensor, Tensor]:
    if any(texts) and tokenizer is None:
        raise ValueError("This model has no tokenizer here, so it cannot read words.")
    rows = [tokenizer.encode(text, length) if text and tokenizer else [] for text in texts]
    longest = max(1, *map(len, rows)) if rows else 1
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for row, (line, ids_of_row) in enumerate(zip(mask, rows, strict=True)):
        line[: len(ids_of_row)] = True
        ids[row, : len(ids_of_row)] = torch.tensor(ids_of_row, dtype=torch.long)
    return ids, mask
