"""A trained model ready to read utterances: weights, tokenizer and thresholds in one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from fv2es.hub import Checkpoint, CheckpointError, load_model, open_checkpoint
from fv2es.models.blocks.nested import NestedTransformer, watch_attention
from fv2es.models.inputs import Tokenizer, make_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.tokenizer import AlbertTokenizer, SubwordTokenizer
from fv2es.schema import MODALITIES, Prediction, Utterance


class Reader:
    """Utterances → predictions. One may serve many visitors: a lock lets one in at a time."""

    def __init__(self, checkpoint: Checkpoint, model: MultimodalModel, tokenizer: Tokenizer) -> None:
        self.checkpoint = checkpoint
        self.model = model
        self.tokenizer = tokenizer
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.checkpoint.name

    @property
    def emotions(self) -> tuple[str, ...]:
        return self.checkpoint.emotions

    @property
    def thresholds(self) -> np.ndarray:
        return self.checkpoint.thresholds

    @property
    def fusion_weights(self) -> dict[str, float]:
        """How much each modality's logits count where several are present."""
        return dict(zip(MODALITIES, self.model.fusion_weights().tolist(), strict=True))

    @property
    def attends(self) -> bool:
        """Is there nested attention to record?"""
        return isinstance(self._trunk, NestedTransformer)

    @property
    def _trunk(self) -> object:
        return getattr(self.model.voice, "trunk", None)

    def predict(self, utterances: Sequence[Utterance], attention: bool = False) -> list[Prediction]:
        """One prediction per utterance, whatever the batch; each needs at least one modality.

        attention: also record the voice network's attention by level (`watch_attention`).
        """
        import torch

        empty = [one.span for one in utterances if not one.modalities]
        if empty:
            raise ValueError(f"There is nothing to read at {empty[0].start:.1f} s: no face, no voice, no words.")
        batch = make_batch(utterances, self.model.inputs, self.tokenizer)
        trunk = self._trunk
        watch: AbstractContextManager[dict[str, torch.Tensor]] = nullcontext({})
        if isinstance(trunk, NestedTransformer) and attention and batch.piece_counts.any():
            watch = watch_attention(trunk)
        with self._lock, torch.inference_mode(), watch as maps:
            output = self.model(batch)
        counts = batch.piece_counts.tolist()
        by_utterance = [
            {level: part.numpy() for level, part in zip(maps, parts, strict=True)}
            for parts in zip(*(each.split(counts) for each in maps.values()), strict=True)
        ]
        return [
            Prediction(
                logits=output.logits[row].numpy(),
                modalities={
                    name: output.modalities[row, column].numpy()
                    for column, name in enumerate(MODALITIES)
                    if output.present[row, column]
                },
                attention=by_utterance[row] if maps and counts[row] else None,
            )
            for row in range(len(utterances))
        ]


def load_reader(name: str = "v2em-compact") -> Reader:
    """The reader of a checkpoint: a name under `checkpoints/`, or `ORG/NAME[@revision]` of the Hub.

    Raises CheckpointError with one sentence where there are no (fitting) weights.
    """
    return reader_of(open_checkpoint(name))


def reader_of(checkpoint: Checkpoint) -> Reader:
    """The reader of a checkpoint that has been opened. Raises CheckpointError."""
    model = load_model(checkpoint)
    return Reader(checkpoint, model, _tokenizer(checkpoint, model.inputs.tokenizer))


def _tokenizer(checkpoint: Checkpoint, source: str) -> Tokenizer:
    """The vocabulary beside the weights (`NAME.json`), or one published on the Hub."""
    try:
        if not source.endswith(".json"):
            return AlbertTokenizer(source)
        if Path(source).name != source:
            raise ValueError("it leaves the checkpoint's folder")
        return SubwordTokenizer(checkpoint.folder / source)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise CheckpointError(f"The vocabulary {source!r} of {checkpoint.name!r} cannot be read.") from error
