"""ZeroGPU: a Space of the Hub whose GPU is lent for the length of a call. Elsewhere nothing of this happens.

The model alone runs there; clips are decoded, faces found and words heard on the processors. A call runs in a process
that is forked off for it, so whatever it needs has to be there before the page is served.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from fv2es.hub import Checkpoint, CheckpointError
from fv2es.reader import Reader, reader_of
from fv2es.schema import Prediction, Utterance
from fv2es.ui.models import Models, find_models

VARIABLE = "SPACES_ZERO_GPU"  # set by the Hub where GPUs are lent
DEVICE = "cuda"
SECONDS = 10  # that a visitor must have left to be lent one; what counts is how long it takes

Ask = Callable[[str, Sequence[Utterance], bool], list[Prediction]]

logger = logging.getLogger(__name__)


class Borrower(Reader):
    """Reads where a GPU is lent for the call, and on the processors where none is."""

    def __init__(self, reader: Reader, ask: Ask) -> None:
        super().__init__(reader.checkpoint, reader.model, reader.tokenizer)
        self._ask = ask

    def predict(self, utterances: Sequence[Utterance], attention: bool = False) -> list[Prediction]:
        """As `Reader` has it."""
        try:
            return self._ask(self.name, utterances, attention)
        except Exception as error:  # the lender's own, of many kinds; what is wrong with the call shows below
            logger.warning("No GPU reads this (%s: %s); the processors do.", type(error).__name__, error)
        return super().predict(utterances, attention)


def find_models_here() -> Models:
    """`find_models`; where GPUs are lent, with all models placed on one, and once more beside it.

    To be called before the page is served. Raises CheckpointError.
    """
    if os.environ.get(VARIABLE, "").lower() not in ("1", "t", "true"):
        return find_models()
    import spaces  # which lets models be placed on a GPU that is not there yet

    return borrowing(spaces.GPU(duration=SECONDS))


def borrowing(lend: Callable[[Ask], Ask]) -> Models:
    """The page's models, all loaded; `lend` makes a function run where there is a GPU. Raises CheckpointError."""
    there: dict[str, Reader] = {}
    here: dict[str, Borrower] = {}

    @lend
    def read(name: str, utterances: Sequence[Utterance], attention: bool) -> list[Prediction]:
        return there[name].predict(utterances, attention)

    def load(checkpoint: Checkpoint) -> Reader:
        name = checkpoint.name
        if name not in here:
            reader = reader_of(checkpoint)
            there[name] = Reader(checkpoint, _placed(copy.deepcopy(reader.model)), reader.tokenizer)
            here[name] = Borrower(reader, read)
        return here[name]

    models = find_models(load)
    for one in models.offers:
        try:
            models.reader(one.name)
        except CheckpointError as error:
            logger.warning("%s", error)
    return models


def _placed(model: Any) -> Any:
    """The model on the GPU; it takes batches and gives outputs that are not."""
    model.register_forward_pre_hook(lambda _, given: (given[0].to(DEVICE),))
    model.register_forward_hook(
        lambda _, __, output: type(output)(**{one.name: getattr(output, one.name).cpu() for one in fields(output)})
    )
    return model.to(DEVICE)
