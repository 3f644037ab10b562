"""Work that goes on beside the rest: one call after the other, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

LOOK = 0.05  # seconds between two looks whether the wait is over


class Aside:
    """Calls are made in the order in which they were asked for. Leaving the `with` forgets those that have not begun;
    one that has begun goes on by itself to its end, and the thread ends with it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aside")

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def call(
        self, function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Future[tuple[Result, float]]:
        """What `function` returns, and the seconds it took."""

        def timed() -> tuple[Result, float]:
            start = time.perf_counter()
            return function(*given, **named), time.perf_counter() - start

        return self._pool.submit(timed)

    @staticmethod
    def wait(future: Future, cancel: Callable[[], bool]) -> bool:
        """Wait until it is there (True) or `cancel` says that it is no longer wanted (False)."""
        while not cancel():
            if wait([future], timeout=LOOK).done:
                return True
        return False
