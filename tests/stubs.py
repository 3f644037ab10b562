"""What stands in for a clip's reading and for models: quick, and at the test's own pace."""

from __future__ import annotations

import threading

import numpy as np
from made_up import made_up_maps, made_up_reading
from test_app import made_up_reader

from fv2es.emotions import MOSEI
from fv2es.schema import MODALITIES, Prediction
from fv2es.ui.models import Models, Offer


class Predicting:
    """A model that hears one emotion in whatever has words, and nothing in what has none."""

    def __init__(self, name: str = "made-up", hears: int = 3, **config) -> None:
        self.hears, self.asked = hears, []
        self.__dict__.update(vars(made_up_reader(name, **config)) | {"predict": self.predict})

    def predict(self, utterances, attention=False):
        self.asked += utterances
        one = np.where(np.arange(len(MOSEI)) == self.hears, 3.0, -3.0)
        heard = [one if each.transcript else -abs(one) for each in utterances]
        return [
            Prediction(all_of, dict.fromkeys(each.modalities, one), made_up_maps(each) if attention else None)
            for all_of, each in zip(heard, utterances, strict=True)
        ]

    def weights_in_force(self, present):
        return {name: 1 / len(present) for name in MODALITIES if name in present}


def predicting_models() -> tuple[Models, dict[str, Predicting]]:
    """Two that answer, the first of them the default."""
    readers = {
        "made-up": Predicting(),
        "other-compact": Predicting("other-compact", 0, description="It hears <nothing>."),
    }
    offers = [Offer(one.checkpoint) for one in readers.values()]
    return Models(offers, "made-up", load=lambda checkpoint: readers[checkpoint.name]), readers


class Paced:
    """An analysis that gives its next reading, 2 s every 3 s, when the test says so (`gate`)."""

    def __init__(self, readers: dict[str, Predicting], readings: int = 3) -> None:
        self.readers = readers
        self.readings = readings
        self.gate = threading.Semaphore(0)
        self.given = 0
        self.closed = threading.Event()
        self.error: Exception | None = None
        self.notes = ["No face was found, so voice and words alone were read."]

    def __call__(self, path, cancel=None, model=None, **options):
        self.given = 0
        self.closed.clear()
        if self.error is not None:
            raise self.error
        return _PacedAnalysis(self, cancel, self.readers[model or "made-up"])


class _PacedAnalysis:
    duration, expected = 9.0, 9.0

    def __init__(self, pace: Paced, cancel: threading.Event, reader: Predicting) -> None:
        self.pace, self.cancel, self.reader, self.notes = pace, cancel, reader, pace.notes

    def __iter__(self):
        for index in range(self.pace.readings):
            while not self.pace.gate.acquire(timeout=0.05):
                if self.cancel.is_set():
                    return
            self.pace.given += 1
            start, text = 3.0 * index, f"I got job {index + 1}!"
            yield made_up_reading(index, start, start + 2, text=text, sound=True, attention=False)

    def close(self):
        self.cancel.set()  # as the real one does
        self.pace.closed.set()
