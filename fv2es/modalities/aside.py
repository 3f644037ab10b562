"""Work that goes on beside the rest: one call after the other, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice
from typing import ParamSpec, TypeVar

from fv2es.stopping import LOOK, also, check

Given = ParamSpec("Given")
Result = TypeVar("Result")
Item = TypeVar("Item")
AHEAD = 2  # items that are made, or being made, while one is used


class Aside:
    """Calls are made in the order in which they were asked for. Leaving the `with` forgets those that have not begun;
    one that has begun goes on by itself, to its end or until it learns that its caller has been stopped, and the
    thread ends with it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aside")

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def call(
        self, function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Future[tuple[Result, float]]:
        """What `function` returns, and the seconds it took; Cancelled where nobody waits when its turn comes."""

        def timed() -> tuple[Result, float]:
            check()
            start = time.perf_counter()
            return function(*given, **named), time.perf_counter() - start

        return self._pool.submit(copy_context().run, timed)

    @staticmethod
    def wait(future: Future[Result]) -> Result:
        """What it comes to, or the exception it ends with. Raises Cancelled where it is no longer wanted before."""
        check()
        while not wait([future], timeout=LOOK).done:
            check()
        return future.result()


def ahead(items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """The same items; while one of them is used, the next two are made in a thread of their own.

    Two, so that an item which takes longer to use than the next to make holds nobody up. Closing this closes `items`,
    too, as soon as the thread has come out of them.
    """
    over = threading.Event()

    def make() -> list[Item]:
        with also(over.is_set):
            check()
            return list(islice(items, 1))

    with Aside() as aside:
        coming = deque(aside.call(make) for _ in range(AHEAD))
        try:
            while made := Aside.wait(coming[0])[0]:
                coming.popleft()
                coming.append(aside.call(make))
                yield made[0]
        finally:
            over.set()
            wait(coming)
            items.close()
