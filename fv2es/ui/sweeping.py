"""Deletes kept results when their time is over, though no visitor comes who would set it off."""

from __future__ import annotations

import threading

from fv2es.takeaway import Shelf


class Sweeper:
    """One thread that sleeps while something is on the shelf, and none while it is empty. every: seconds."""

    def __init__(self, shelf: Shelf, every: float) -> None:
        self._shelf = shelf
        self._every = every
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def wake(self) -> None:
        """Something has been put on the shelf."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(self._every, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _sweep(self) -> None:
        self._shelf.sweep()
        with self._lock:
            self._timer = None
        if any(self._shelf.folder.glob("*")):
            self.wake()
