"""What a model looked at while it read a batch: every tap that fits it, and the records cut up by utterance.

For each utterance a mapping from names to numpy arrays, of which those are there that its model and its inputs have:

- `pieces` (pieces, 2) float64: from when to when, in seconds of the clip, each piece lasts. A piece takes 0.4 s; the
  last one is filled up with silence and ends here where its sound ends. Quiet ends that were cut off have no piece.
- `level1`, `level2`, … (pieces, layers, heads, rows, columns) float32: of nested attention, how much attention each
  cell of the level's map receives, averaged over queries (`blocks.nested.watch_attention`).
- `focal1`, `focal2`, … (pieces, layers, rows, columns) float32: of focal modulation, the norm of each cell's modulator
  (`blocks.focal.watch_modulation`).
- `queries_cls`, `queries_words`, `queries_face`, `queries_voice` (layers, heads, E, L) float32: of emotion queries, the
  share of its attention that each emotion's query gives to each token, face and piece; together they sum to 1.
- `tokens` (L, 2) int32, beside `queries_words`: which characters of the transcript each token stands for, from and to;
  0, 0 for a token that stands for none, such as `[CLS]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from torch import Tensor

from fv2es.modalities.spectrogram import PIECE_COLUMNS, SECONDS_PER_COLUMN
from fv2es.models.blocks.focal import FocalNet, watch_modulation
from fv2es.models.blocks.nested import NestedTransformer, watch_attention
from fv2es.models.blocks.queries import QueryFusion
from fv2es.models.emotion_queries import QueryAttention, watch_queries
from fv2es.models.inputs import Batch, MelInput, heard_columns
from fv2es.models.multimodal import MultimodalModel
from fv2es.schema import Utterance

Records = dict[str, np.ndarray]


def can_be_watched(model: MultimodalModel) -> bool:
    """Is there anything to record?"""
    return isinstance(_trunk(model), NestedTransformer | FocalNet) or isinstance(model.fusion, QueryFusion)


class Watch:
    """The records of one forward pass, complete when the `with` of `watch` is left."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, Tensor]] = {}  # "level" or "focal" → level1, level2, … → (ΣN, …)
        self.queries: list[QueryAttention] = []

    def by_utterance(self, batch: Batch, utterances: Sequence[Utterance], mel: MelInput) -> list[Records]:
        """One mapping for each utterance of the batch, empty where nothing was looked at."""
        records: list[Records] = [{} for _ in utterances]
        counts = batch.piece_counts.tolist()
        for prefix, levels in self.maps.items():
            for number, level in enumerate(levels.values(), start=1):
                for record, part in zip(records, level.split(counts), strict=True):
                    if len(part):
                        record[f"{prefix}{number}"] = part.float().cpu().numpy()
        for attention in self.queries:
            for row, record in enumerate(records):
                record |= _of_queries(attention, row)
        for record, utterance, count in zip(records, utterances, counts, strict=True):
            if record and count:
                record["pieces"] = piece_times(utterance, mel)
        return records


@contextmanager
def watch(model: MultimodalModel, batch: Batch) -> Iterator[Watch]:
    """Record what the model looks at in the one forward pass over `batch` inside the `with`."""
    watched, trunk = Watch(), _trunk(model)
    voices = bool(batch.piece_counts.any())
    with ExitStack() as stack:
        if isinstance(trunk, NestedTransformer) and voices:
            watched.maps["level"] = stack.enter_context(watch_attention(trunk))
        if isinstance(trunk, FocalNet) and voices:
            watched.maps["focal"] = stack.enter_context(watch_modulation(trunk))
        if isinstance(model.fusion, QueryFusion):
            watched.queries = stack.enter_context(watch_queries(model))
        yield watched


def piece_times(utterance: Utterance, mel: MelInput) -> np.ndarray:
    """(pieces, 2) seconds of the clip: where each piece begins and where its sound ends."""
    heard = heard_columns(utterance.mel, mel)
    starts = np.arange(heard.start, heard.stop, PIECE_COLUMNS)
    columns = np.stack([starts, np.minimum(starts + PIECE_COLUMNS, heard.stop)], axis=1)
    return np.minimum(utterance.span.start + columns * SECONDS_PER_COLUMN, utterance.span.end)


def _trunk(model: MultimodalModel) -> Any:
    return getattr(model.voice, "trunk", None)


def _of_queries(attention: QueryAttention, row: int) -> Records:
    """Of one utterance, without the padding of its batch; nothing where the queries were not asked."""
    if not attention.decided[row]:
        return {}
    weights, present = attention.weights[row], attention.present[row]
    shares = {
        f"queries_{name}": weights[..., part][..., present[part]].float().cpu().numpy()
        for name, part in attention.parts.items()
    }
    return {name: share for name, share in shares.items() if share.shape[-1]}
