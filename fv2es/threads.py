"""How many threads torch works in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """torch works in the caller's thread alone, for work so small that two threads wait for one another more than they
    work. Of one utterance that is all of it, and meanwhile the other core decodes or makes the next: two threads took
    twice the processor's time, and no less of the clock's."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
