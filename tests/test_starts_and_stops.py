"""Two hundred visitors who come and go at every moment leave nothing behind."""

import gc
import itertools
import os
import re
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import shades, tone
from processes import children, open_files
from stubs import Predicting
from test_hostile import EveryFrame

from fv2es.limits import Limits
from fv2es.media import Decoders, MediaError, open_media
from fv2es.pipeline import Analysis, analyse
from fv2es.schema import Sound

TIMES = 200
SHARED_MEMORY = Path("/dev/shm")


def held() -> Counter[tuple[str, object]]:
    """All that a process may forget to give back. Threads without their numbers: a page of an earlier test may sweep
    meanwhile, and its timer is a new thread then."""
    gc.collect()
    found = {
        "thread": [re.sub(r"-\d+", "", thread.name) for thread in threading.enumerate()],
        "file": ["open"] * open_files(),
        "process": children(),
        "shared memory": os.listdir(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else [],
        "temporary file": os.listdir(tempfile.gettempdir()),
    }
    return Counter((kind, one) for kind, several in found.items() for one in several)


def gives_back_all_but(before: Counter[tuple[str, object]]) -> None:
    """Nothing is held that was not held before. Others may have something for a moment: a page of an earlier test, or
    another program of this machine."""
    for _ in range(100):
        if not (more := held() - before):
            break
        time.sleep(0.1)
    assert more == Counter()


@pytest.fixture
def private_temporary_files(tmp_path, monkeypatch):
    """Others, who work on this machine at the same time, put theirs elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def cancelled_first(analysis: Analysis) -> None:
    analysis.cancel.set()
    assert list(analysis) == []


def stopped_after_one(analysis: Analysis) -> None:
    next(analysis)
    analysis.cancel.set()
    assert list(analysis) == []


def closed_after_one(analysis: Analysis) -> None:
    next(analysis)
    analysis.close()


def closed_at_once(analysis: Analysis) -> None:
    analysis.close()


def forgotten(analysis: Analysis) -> None:
    next(analysis)


def read_to_its_end(analysis: Analysis) -> None:
    assert len(list(analysis)) == 2


def closed_by_another_thread(analysis: Analysis) -> None:
    reading = threading.Thread(target=lambda: list(analysis))
    reading.start()
    analysis.close()
    reading.join()


def cancelled_by_another_thread(analysis: Analysis) -> None:
    reading = threading.Thread(target=lambda: list(analysis))
    reading.start()
    analysis.cancel.set()
    reading.join()


WAYS = (
    cancelled_first,
    stopped_after_one,
    closed_after_one,
    closed_at_once,
    forgotten,
    read_to_its_end,
    closed_by_another_thread,
    cancelled_by_another_thread,
)


@pytest.mark.slow
def test_two_hundred_starts_and_stops_leave_nothing(clip, tmp_path, private_temporary_files) -> None:
    path, damaged = clip("a.mp4", None, shades(50), fps=5), tmp_path / "damaged.mp4"
    damaged.write_bytes(path.read_bytes()[:300])
    options = {"reader": Predicting(), "finder": EveryFrame(), "speech": "none", "limits": Limits()}

    def visit(number: int, decoders: Decoders | None) -> None:
        if number % 10 == 9:
            with pytest.raises(MediaError):
                analyse(damaged, decoders=decoders, **options)
            return
        WAYS[number % len(WAYS)](analyse(path, decoders=decoders, **options))

    for number in range(10):  # what is loaded once, is loaded now
        visit(number, None)
    before = held()
    decoders = Decoders()
    with ThreadPoolExecutor(2) as visitors:
        list(visitors.map(lambda number: visit(number, decoders if number % 2 else None), range(TIMES)))
    decoders.close()
    gives_back_all_but(before)


def test_visitors_at_once_leave_nothing_and_get_what_each_would_get_alone(clip, private_temporary_files) -> None:
    waves = [np.concatenate([tone(1, 200 + 50 * n), tone(1, 900 - 50 * n)]) for n in range(4)]
    paths = [clip(f"{n}.mkv", wave, shades(20 + n), codecs=("flac", "libx264")) for n, wave in enumerate(waves)]

    def read(path: Path, decoders: Decoders | None = None) -> list[bytes]:
        with open_media(path, decoders=decoders) as media:
            events = media.read(itertools.count(0.05, 0.1))
            return [(one.samples if isinstance(one, Sound) else one.pixels).tobytes() for one in events]

    alone = [read(path) for path in paths]
    assert len(set(map(tuple, alone))) == len(alone)
    before = held()
    together: dict[tuple[int, int], list[bytes]] = {}
    with_nursery = Decoders()

    def visit(number: int) -> None:
        for turn in range(3):
            together[number, turn] = read(paths[number], with_nursery)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with_nursery.close()
    assert len(together) == 12
    for (number, _), events in together.items():
        assert events == alone[number]
    gives_back_all_but(before)
