"""What a person carries home: one clip's readings and all that has to be said beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fv2es.results import analysis_json, named, reading_json, summarise
from fv2es.schema import Reading, Summary


@dataclass(frozen=True, eq=False)
class Result:
    """A clip's readings, whole or as far as they came.

    file: the clip's file name. model: as asked for. checkpoint: `Checkpoint.identity`. thresholds: (E,), the
    checkpoint's; moved: (E,), those that a person set instead, None where nobody did. duration: seconds of the clip
    that were read.
    """

    file: str
    model: str
    checkpoint: Mapping[str, Any]
    emotions: tuple[str, ...]
    thresholds: np.ndarray
    readings: tuple[Reading, ...] = ()
    duration: float | None = None
    notes: tuple[str, ...] = ()
    moved: np.ndarray | None = None

    def __post_init__(self) -> None:
        for values in (self.thresholds, self.applied):
            if values.shape != (len(self.emotions),):
                raise ValueError(f"needs {len(self.emotions)} thresholds, got {values.shape}")

    @property
    def applied(self) -> np.ndarray:
        """(E,) thresholds that decide what is active."""
        return self.thresholds if self.moved is None else self.moved

    @property
    def shown(self) -> tuple[Reading, ...]:
        """The readings under the thresholds that apply."""
        return tuple(replace(one, thresholds=self.applied) for one in self.readings)

    @property
    def summary(self) -> Summary:
        return summarise(self.readings, self.emotions, self.applied)

    def document(self) -> dict[str, Any]:
        """The JSON of `docs/json.md`; moved thresholds add the two keys that `docs/files.md` names."""
        document = analysis_json(
            file=self.file,
            duration=self.duration,
            model=self.model,
            checkpoint=self.checkpoint,
            summary=self.summary,
            utterances=[reading_json(one) for one in self.shown],
            notes=self.notes,
        )
        moved = self.applied != self.thresholds
        if moved.any():
            names = [name for name, differs in zip(self.emotions, moved, strict=True) if differs]
            document["checkpoint_thresholds"] = named(self.emotions, self.thresholds)
            document["moved_thresholds"] = named(names, self.applied[moved])
        return document
