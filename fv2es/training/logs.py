"""What a person watches of a run: curves as pictures and events for TensorBoard, both made from the run's history."""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from fv2es.training.loop import History
from fv2es.views.curves import curves_figure

DRAW_EVERY = 30.0  # seconds: a run of short epochs is not to spend its time on drawing


class RunLog:
    """A `report` for `loop.fit`. Whatever an earlier process left, what is written agrees with the history.

    Curves are drawn when DRAW_EVERY has passed since the last time, and at the end of the `with`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._history: History = []
        self._drawn = time.monotonic()
        self._writer: SummaryWriter | None = None
        self._written = 0

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
            self._curves()

    def __call__(self, history: History) -> None:
        self._history = history
        self._events(history)
        if time.monotonic() - self._drawn > DRAW_EVERY:
            self._curves()

    def _events(self, history: History) -> None:
        if self._writer is None:
            folder = self.folder / "tensorboard"
            for old in folder.glob("events.*"):
                old.unlink()
            self._writer = SummaryWriter(str(folder))
        for line in history[self._written :]:
            for name, value in line.items():
                part, _, rest = name.partition("_")
                if part in ("train", "valid") or name == "loss":
                    tag = f"{rest}/{part}" if rest else "loss/train"
                    self._writer.add_scalar(tag, value, int(line["epoch"]) + 1)
        self._written = len(history)
        self._writer.flush()

    def _curves(self) -> None:
        figure = curves_figure(self._history)
        for kind, more in (("png", {"dpi": 150}), ("svg", {"metadata": {"Date": None}})):
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, **more)
            partial = self.folder / f"curves.{kind}.partial"
            partial.write_bytes(stream.getvalue())
            partial.replace(self.folder / f"curves.{kind}")
        self._drawn = time.monotonic()
