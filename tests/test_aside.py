"""Words are written down beside the rest: nothing else changes, and nothing is left behind."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import shades
from processes import PATIENCE, until

from fv2es import utterances
from fv2es.media import open_media
from fv2es.modalities.aside import Aside, ahead
from fv2es.modalities.extract import AHEAD, extract
from fv2es.schema import SAMPLE_RATE, Span, Transcript
from fv2es.stopping import Cancelled, check, stoppable


class NoFaces:
    def find(self, frames, near=None):
        return [[] for _ in frames]


class Slow:
    """Writes nothing down before it may; notes what it has heard."""

    source = "slow"

    def __init__(self) -> None:
        self.may, self.began, self.heard = threading.Event(), threading.Event(), []

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        self.began.set()
        assert self.may.wait(PATIENCE)
        self.heard.append(span)
        return Transcript(f"{span.start:.1f} {len(waveform)}", self.source)


@pytest.fixture(autouse=True)
def loud_is_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utterances, "_silero", lambda: lambda chunks: (np.abs(chunks).max(1) > 0.05) * 1.0)


@pytest.fixture
def five(clip: Callable[..., Path]) -> Path:
    """Five utterances."""
    rng = np.random.default_rng(0)
    parts = [rng.uniform(-level, level, round(s * SAMPLE_RATE)) for _ in range(5) for s, level in ((1, 0), (1.2, 0.5))]
    return clip("five.mp4", np.concatenate([*parts, np.zeros(SAMPLE_RATE)]).astype(np.float32), shades(48), fps=4)


def left_behind() -> list[threading.Thread]:
    found = [one for one in threading.enumerate() if one.name.startswith("aside")]
    for one in found:
        one.join(PATIENCE)
    return [one for one in found if one.is_alive()]


def test_a_slow_recogniser_changes_neither_words_nor_order(five: Path) -> None:
    def read(slow: Slow) -> list[tuple[Span, str]]:
        with open_media(five) as media:
            return [(one.span, one.transcript.text) for one, _ in extract(media, finder=NoFaces(), transcriber=slow)]

    quick, slow = Slow(), Slow()
    quick.may.set()
    wanted = read(quick)
    later = threading.Timer(0.3, slow.may.set)
    later.start()
    assert read(slow) == wanted
    later.join()
    assert slow.heard == quick.heard == [span for span, _ in wanted]
    assert len(wanted) == 5
    assert left_behind() == []


def test_the_clip_is_read_on_while_words_are_awaited_but_not_without_end(five: Path) -> None:
    slow, looked = Slow(), []
    finder = NoFaces()
    finder.find = lambda frames, near=None: looked.append(len(frames)) or [[] for _ in frames]
    with open_media(five) as media:
        stream = extract(media, finder=finder, transcriber=slow)
        reader = threading.Thread(target=next, args=(stream,), daemon=True)
        reader.start()
        assert slow.began.wait(PATIENCE)
        until(lambda: len(looked) >= AHEAD + 1)
        reader.join(0.5)  # long enough to look at more, if nothing held it
        assert reader.is_alive(), "the first has no words yet"
        assert len(looked) == AHEAD + 1
        slow.may.set()
        reader.join(PATIENCE)
        stream.close()
    assert left_behind() == []


def test_stop_does_not_wait_for_words(five: Path) -> None:
    slow, cancel = Slow(), threading.Event()
    with open_media(five) as media:
        found: list = []

        def read() -> None:
            with stoppable(cancel.is_set), suppress(Cancelled):
                found.extend(extract(media, finder=NoFaces(), transcriber=slow))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        assert slow.began.wait(PATIENCE)
        cancel.set()
        reader.join(PATIENCE)
        assert not reader.is_alive(), "though nobody has written anything down"
    assert found == []
    slow.may.set()
    assert left_behind() == []
    assert len(slow.heard) == 1, "what had not begun was forgotten"


def test_closing_leaves_no_thread(five: Path) -> None:
    for _ in range(8):
        slow = Slow()
        slow.may.set()
        with open_media(five) as media:
            stream = extract(media, finder=NoFaces(), transcriber=slow)
            next(stream)
            stream.close()
    assert left_behind() == []


def test_what_goes_wrong_aside_goes_wrong_here(five: Path) -> None:
    class Broken(Slow):
        def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
            raise TimeoutError("nobody listens")

    with open_media(five) as media, pytest.raises(TimeoutError, match="nobody listens"):
        list(extract(media, finder=NoFaces(), transcriber=Broken()))
    assert left_behind() == []


def test_calls_are_made_in_order_and_timed() -> None:
    made: list[int] = []
    with Aside() as aside:
        calls = [aside.call(made.append, number) for number in range(20)]
        assert all(aside.wait(one)[1] >= 0 for one in calls)
    assert made == list(range(20))


class Numbers:
    """0, 1, 2 … on the way, which are counted, and how it ended."""

    def __init__(self, count: int) -> None:
        self.count, self.begun, self.closed = count, 0, threading.Event()
        self.may = threading.Semaphore(0)

    def made(self):
        try:
            for number in range(self.count):
                self.begun += 1
                while not self.may.acquire(timeout=0.01):
                    check()
                yield number
        finally:
            self.closed.set()


def test_the_next_two_are_made_while_one_is_used_and_no_further() -> None:
    numbers = Numbers(5)
    stream = ahead(numbers.made())
    numbers.may.release()
    assert next(stream) == 0
    until(lambda: numbers.begun == 2)  # though nobody has asked for it
    for _ in range(4):
        numbers.may.release()
    until(lambda: numbers.begun == 3)
    threading.Event().wait(0.1)  # long enough to make more, if nothing held it
    assert numbers.begun == 3
    assert list(stream) == [1, 2, 3, 4]
    assert numbers.closed.is_set()
    assert left_behind() == []


def test_who_takes_no_more_ends_what_is_being_made() -> None:
    numbers = Numbers(5)
    numbers.may.release()
    stream = ahead(numbers.made())
    next(stream)
    stream.close()  # the second is never allowed
    assert numbers.closed.is_set()
    assert left_behind() == []


def test_a_stopped_caller_waits_for_nothing_that_is_made_ahead() -> None:
    numbers, cancel = Numbers(5), threading.Event()
    numbers.may.release()
    stream = ahead(numbers.made())
    with stoppable(cancel.is_set):
        next(stream)
        cancel.set()
        with pytest.raises(Cancelled):
            next(stream)
    assert numbers.closed.is_set()
    assert left_behind() == []


def test_what_goes_wrong_ahead_goes_wrong_in_its_turn() -> None:
    def broken():
        yield 1
        raise TimeoutError("no second")

    stream = ahead(broken())
    assert next(stream) == 1
    with pytest.raises(TimeoutError, match="no second"):
        next(stream)
    assert left_behind() == []
