"""What the host sees of visitors: a log line when a clip is begun and when it is over, and `/health`."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fv2es.schema import Reading
from fv2es.ui.handlers import SENTENCES
from fv2es.ui.logs import NOTE

HEALTH = "/health"

logger = logging.getLogger(__name__)


class Jobs:
    """Counts the clips that are read. May be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reading = 0
        self.over = {"done": 0, "stopped": 0, "refused": 0, "failed": 0}
        self.errors: Counter[str] = Counter()  # by kind
        self.utterances, self.speech = 0, 0.0  # how many, and how many seconds of clip they are
        self.stages: Counter[str] = Counter()  # seconds of work

    def watched(self, analyse: Callable[..., Any]) -> Callable[..., Any]:
        """The same, but each analysis has a number, which the log names when it begins and when it is over."""

        def start(*given: Any, **options: Any) -> Job:
            job = Job(self, secrets.token_hex(4))
            job.run(lambda: analyse(*given, **options))
            return job

        return start

    def begin(self) -> int:
        """How many are read now."""
        with self._lock:
            self.reading += 1
            return self.reading

    def count(self, reading: Reading) -> None:
        with self._lock:
            self.utterances += 1
            self.speech += reading.span.duration
            self.stages.update(reading.seconds)  # type: ignore[arg-type]  # a Counter adds what it is given

    def end(self, how: str, kind: str = "") -> None:
        """kind: of the error that ended it."""
        with self._lock:
            self.reading -= 1
            self.over[how] += 1
            if kind:
                self.errors[kind] += 1


class Job:
    """One analysis, with all that it has."""

    def __init__(self, jobs: Jobs, number: str) -> None:
        self._jobs = jobs
        self._number = number
        self._began = time.monotonic()
        self._utterances = 0
        self._whole = self._over = False
        self._analysis: Any = None
        logger.info("job %s: begun; %d being read", number, jobs.begin(), extra={"job": number})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._analysis, name)

    def __iter__(self) -> Iterator[Reading]:
        readings = iter(self._analysis)
        while (reading := self._next(readings)) is not None:
            self._utterances += 1
            self._jobs.count(reading)
            yield reading
        self._whole = True

    def run(self, start: Callable[[], Any]) -> None:
        """Begin the analysis itself."""
        self._analysis = self._careful(start)

    def close(self) -> None:
        """End it, if it is not over."""
        cancel = getattr(self._analysis, "cancel", None)
        stopped = not self._whole or (cancel is not None and cancel.is_set())
        self._analysis.close()
        self._end("stopped" if stopped else "done")

    def _next(self, readings: Iterator[Reading]) -> Reading | None:
        return self._careful(lambda: next(readings, None))

    def _careful(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except SENTENCES as error:
            self._end("refused", str(error), error)
            raise
        except Exception as error:
            error.add_note(f"{NOTE}{self._number}.")
            self._end("failed", type(error).__name__, error)
            raise

    def _end(self, how: str, why: str = "", error: Exception | None = None) -> None:
        if self._over:
            return
        self._over = True
        kind = "" if error is None else type(error).__name__
        self._jobs.end(how, kind)
        spent = time.monotonic() - self._began
        said = f" ({why})" if why else ""
        about = {"job": self._number, "outcome": how, "utterances": self._utterances, "seconds": round(spent, 1)}
        logger.info(
            "job %s: %s%s; %d utterances in %.1f s",
            self._number,
            how,
            said,
            self._utterances,
            spent,
            extra=about | ({"error": kind} if kind else {}),
        )


def queue_of(demo: Any) -> tuple[int, int | None]:
    """How many wait, and how many may (None: any number); Gradio says so nowhere else."""
    return len(demo._queue), demo._queue.max_size


def health(demo: Any) -> Route:
    """Whether the page of `build_demo` serves, for whoever watches over it: 200, and 503 while its queue is full."""

    async def answer(request: Request) -> JSONResponse:
        waiting, room = queue_of(demo)
        full = room is not None and waiting >= room
        state = {
            "status": "full" if full else "ok",
            "reading": demo.jobs.reading,
            "waiting": waiting,
            "room": room,
            "over": dict(demo.jobs.over),
        }
        return JSONResponse(state, 503 if full else 200, headers={"Cache-Control": "no-store"})

    return Route(HEALTH, answer)
