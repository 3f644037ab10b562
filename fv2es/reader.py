"""A trained model ready to read utterances: weights, tokenizer and thresholds in one."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from fv2es.hub import Checkpoint, CheckpointError, load_model, open_checkpoint
from fv2es.models.inputs import Tokenizer, make_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.tokenizer import AlbertTokenizer, SubwordTokenizer
from fv2es.models.watching import Records, can_be_watched, watch
from fv2es.schema import MODALITIES, Prediction, Utterance
from fv2es.stopping import check, turn
from fv2es.threads import one_thread


class Reader:
    """Utterances → predictions. One may serve many visitors: a lock lets one in at a time.

    Can be stopped (`fv2es.stopping`) while it waits for its turn and before any block of the model.
    """

    def __init__(self, checkpoint: Checkpoint, model: MultimodalModel, tokenizer: Tokenizer) -> None:
        self.checkpoint = checkpoint
        self.model = model
        self.tokenizer = tokenizer
        self._lock = threading.Lock()
        _make_stoppable(model)

    @property
    def name(self) -> str:
        """Of the checkpoint."""
        return self.checkpoint.name

    @property
    def emotions(self) -> tuple[str, ...]:
        """In the order of every array."""
        return self.checkpoint.emotions

    @property
    def thresholds(self) -> np.ndarray:
        """(E,) probabilities from which on an emotion is active."""
        return self.checkpoint.thresholds

    @property
    def fusion_weights(self) -> dict[str, float]:
        """How much each modality's logits count where several are present."""
        return dict(zip(MODALITIES, self.model.fusion_weights().tolist(), strict=True))

    def weights_in_force(self, present: Collection[str]) -> dict[str, float] | None:
        """How much each of the modalities that are present counts, in the order face, voice, words.

        None where no weights are set beforehand, because fusion is learnt inside the network.
        """
        weights = self.model.weights_in_force([name in present for name in MODALITIES])
        if weights is None:
            return None
        named = zip(MODALITIES, weights.tolist(), strict=True)
        return {name: weight for name, weight in named if name in present}

    @property
    def attends(self) -> bool:
        """Is there anything to record of where the model looks?"""
        return can_be_watched(self.model)

    def predict(self, utterances: Sequence[Utterance], attention: bool = False) -> list[Prediction]:
        """One prediction per utterance, whatever the batch; each needs at least one modality.

        attention: also record where the model looks (`fv2es.models.watching` names the arrays).
        """
        import torch

        empty = [one.span for one in utterances if not one.modalities]
        if empty:
            raise ValueError(f"There is nothing to read at {empty[0].start:.1f} s: no face, no voice, no words.")
        batch = make_batch(utterances, self.model.inputs, self.tokenizer)
        watching = watch(self.model, batch) if attention else nullcontext()
        threads = one_thread() if len(utterances) == 1 else nullcontext()
        with turn(self._lock), torch.inference_mode(), threads, watching as watched:
            output = self.model(batch)
        seen = watched.by_utterance(batch, utterances, self.model.inputs.mel) if watched else [{}] * len(utterances)
        return [
            Prediction(
                logits=output.logits[row].numpy(),
                modalities={
                    name: output.modalities[row, column].numpy()
                    for column, name in enumerate(MODALITIES)
                    if output.present[row, column]
                },
                attention=self._located(seen[row], utterances[row]) or None,
            )
            for row in range(len(utterances))
        ]

    def _located(self, records: Records, utterance: Utterance) -> Records:
        """With the characters that each token stands for, where the tokenizer knows them."""
        spans = getattr(self.tokenizer, "spans", None)
        if spans is None or "queries_words" not in records:
            return records
        found = spans(utterance.transcript.text, self.model.inputs.max_tokens)
        return records | {"tokens": np.array(found, np.int32).reshape(-1, 2)}


def _make_stoppable(model: MultimodalModel) -> None:
    """Before each of its blocks the model asks whether anybody waits. Not within the layers of torch's own transformer:
    what they ask before would take their fast path from them."""
    from torch import nn

    own = {
        part for layer in model.modules() if isinstance(layer, nn.TransformerEncoderLayer) for part in layer.modules()
    }
    for part in model.modules():
        if part not in own:
            part.register_forward_pre_hook(_before_a_block)


def _before_a_block(module: object, given: object) -> None:
    check()


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
