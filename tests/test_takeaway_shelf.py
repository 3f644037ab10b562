"""Results that a link opens again: the same to the last bit, for as long as was said, and nothing else."""

from __future__ import annotations

import io
import os
import threading
from dataclasses import fields

import numpy as np
import pytest
from made_up import made_up_reading
from test_takeaway_files import a_result

from fv2es.schema import FaceCrop, Reading, Span, Utterance
from fv2es.takeaway import KINDS, Result, Shelf, ShelfError, write
from fv2es.takeaway.packing import pack, unpack
from fv2es.takeaway.shelf import spoken
from fv2es.views.bars import reading_chart, summary_chart


class Clock:
    """Time that passes when a test says so; a little with every look, as it does."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(tmp_path, clock) -> Shelf:
    return Shelf(tmp_path / "shelf", clock=clock)


def small(number: int = 0) -> Result:
    return a_result(made_up_reading(number, attention=False), file=f"{number}.mp4")


def a_full_result() -> Result:
    """Every field has something in it that a careless copy would lose."""
    random = np.random.default_rng(4)
    faces = tuple(
        FaceCrop(0.1 + number / 7, random.integers(0, 256, (160, 160, 3), np.uint8), (1 / 3, 2.0, 99.5, 100.0), 0.987)
        for number in range(3)
    )
    utterance = Utterance(
        Span(0.1, 2.0 + 1 / 3),
        faces=(*faces, FaceCrop(2.0, faces[0].pixels)),
        waveform=random.normal(size=35_733).astype(np.float32),
        mel=(random.gamma(1.0, size=(128, 179)) * 1e6).astype(np.float32),
        notes=("One.",),
    )
    values = random.random(6)
    reading = Reading(
        0,
        utterance,
        a_result().emotions,
        values,
        values - 0.1,
        {"face": values / 3, "voice": None, "words": values / 7},
        {"level1": random.random((5, 2, 4, 32, 32), np.float32), "tokens": np.arange(8, dtype=np.int32).reshape(4, 2)},
        {"decode": 1 / 3},
    )
    return a_result(reading, made_up_reading(1, 3.0, 4.0), moved=random.random(6), duration=1 / 3)


def assert_same(one: object, other: object) -> None:
    """Field by field, array by array, to the last bit and to the type."""
    if hasattr(one, "__dataclass_fields__"):
        assert type(one) is type(other)
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            assert_same(mine, its)
    else:
        assert one == other


def test_what_is_opened_again_is_what_was_kept(shelf, tmp_path):
    kept = a_full_result()
    opened = shelf.get(shelf.put(kept))
    assert_same(kept, opened)
    for kind in KINDS:
        for result, name in ((kept, "a"), (opened, "b")):
            (tmp_path / name).mkdir(exist_ok=True)
            write(kind, result, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_every_field_is_known_to_the_packing():
    """A field that is added to a noun has to be packed as well: then add it here."""
    kinds = (Result, Reading, Utterance, FaceCrop)
    assert {kind.__name__: " ".join(field.name for field in fields(kind)) for kind in kinds} == {
        "Result": "file model checkpoint emotions thresholds readings duration notes moved",
        "Reading": "index utterance emotions probabilities thresholds modalities attention seconds",
        "Utterance": "span faces waveform mel transcript notes",
        "FaceCrop": "time pixels box confidence",
    }


def test_charts_are_the_same(shelf):
    kept = a_result()
    opened = shelf.get(shelf.put(kept))
    assert summary_chart(opened.summary) == summary_chart(kept.summary)
    for mine, its in zip(kept.shown, opened.shown, strict=True):
        assert reading_chart(mine) == reading_chart(its)


def test_a_result_without_anything(shelf):
    empty = a_result(readings=(), duration=None, notes=())
    assert_same(shelf.get(shelf.put(empty)), empty)


def test_two_results_have_two_tokens_that_tell_nothing(shelf):
    one, other = shelf.put(small(1)), shelf.put(small(2))
    assert one != other
    assert min(len(one), len(other)) == 22
    assert (shelf.get(one).file, shelf.get(other).file) == ("1.mp4", "2.mp4")


def test_nobody_else_may_read_the_folder(shelf):
    token = shelf.put(small())
    assert shelf.folder.stat().st_mode & 0o077 == 0
    assert (shelf.folder / f"{token}.result").stat().st_mode & 0o077 == 0
    assert len(list(shelf.folder.iterdir())) == 1


def test_dropped(shelf):
    token = shelf.put(small())
    shelf.drop(token)
    shelf.drop(token)
    with pytest.raises(ShelfError, match="no longer here: it was kept for 1 hour"):
        shelf.get(token)


def test_expiry(shelf, clock):
    early, clock.now = shelf.put(small(1)), clock.now + 1800
    late, clock.now = shelf.put(small(2)), clock.now + 1795
    assert shelf.get(early).file == "1.mp4"
    clock.now += 10
    with pytest.raises(ShelfError, match="no longer here"):
        shelf.get(early)
    assert shelf.sweep() == 0  # it was deleted as soon as it was asked for
    assert shelf.get(late).file == "2.mp4"
    assert shelf.sweep(clock.now + 3600) == 1
    assert list(shelf.folder.iterdir()) == []


def test_looking_does_not_prolong(shelf, clock):
    token = shelf.put(small())
    for _ in range(3):
        clock.now += 1100
        shelf.get(token)
    clock.now += 400
    with pytest.raises(ShelfError):
        shelf.get(token)


def test_the_oldest_make_room(tmp_path, clock):
    first = Shelf(tmp_path, clock=clock)
    size = (tmp_path / f"{first.put(small(0))}.result").stat().st_size
    first.sweep(clock.now + 9999)
    shelf = Shelf(tmp_path, max_bytes=3.5 * size, clock=clock)
    tokens = [shelf.put(small(number)) for number in range(5)]
    assert [shelf.get(token).file for token in tokens[2:]] == ["2.mp4", "3.mp4", "4.mp4"]
    for token in tokens[:2]:
        with pytest.raises(ShelfError):
            shelf.get(token)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3.5 * size


def test_a_result_larger_than_the_shelf(tmp_path, clock):
    shelf = Shelf(tmp_path, max_bytes=100_000, clock=clock)
    before = shelf.put(a_result(readings=()))
    with pytest.raises(ShelfError, match="too large"):
        shelf.put(a_full_result())
    assert [path.name for path in tmp_path.iterdir()] == [f"{before}.result"]


def test_sweep_deletes_nothing_that_is_not_its_own(shelf, clock):
    shelf.put(small())
    (shelf.folder / "notes.txt").write_text("mine")
    (shelf.folder / ".crashed.part").write_text("half")
    os.utime(shelf.folder / ".crashed.part", (clock.now, clock.now))
    os.utime(shelf.folder / "notes.txt", (0, 0))
    assert shelf.sweep(clock.now + 1) == 0
    assert shelf.sweep(clock.now + 4000) == 2
    assert [path.name for path in shelf.folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "token",
    [
        *("", "..", "../secret", "../" * 7 + "a", "/etc/passwd", "..%2f" + "a" * 17, "a" * 21 + "/", "a" * 21 + "."),
        *("a" * 21, "a" * 23, "a" * 10**6, "a" * 21 + "\n", "é" * 22, "\x00" * 22, None, 7, ["a" * 22]),
    ],
    ids=lambda token: repr(token)[:16],
)
def test_tokens_that_are_none(shelf, token, tmp_path):
    (tmp_path / "secret.result").write_bytes(b"x")
    shelf.put(small())
    with pytest.raises(ShelfError, match="no longer here"):
        shelf.get(token)
    shelf.drop(token)
    assert (tmp_path / "secret.result").exists()
    assert len(list(shelf.folder.iterdir())) == 1


def test_a_file_cut_short_anywhere(tmp_path):
    shelf = Shelf(tmp_path)
    token = shelf.put(small())
    path = shelf.folder / f"{token}.result"
    whole = path.read_bytes()
    for share in range(0, 100, 5):
        path.write_bytes(whole[: len(whole) * share // 100])
        with pytest.raises(ShelfError, match="damaged"):
            shelf.get(token)


def test_flipped_bits_are_found_or_change_nothing():
    stream = io.BytesIO()
    pack(small(), stream)
    whole, random, found = stream.getvalue(), np.random.default_rng(0), 0
    for _ in range(150):
        bad = bytearray(whole)
        bad[random.integers(len(bad))] ^= 1 << int(random.integers(8))
        try:
            opened = unpack(io.BytesIO(bad))
        except ValueError:
            found += 1
        else:  # a date or the like
            assert_same(opened, small())
    assert found > 100


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_other_files(content):
    with pytest.raises(ValueError, match="damaged"):
        unpack(io.BytesIO(content))


def test_another_version(monkeypatch):
    stream = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr("fv2es.takeaway.packing.FORMAT", 99)
        pack(small(), stream)
    with pytest.raises(ValueError, match="damaged"):
        unpack(stream)


def test_threads_share_a_shelf(tmp_path):
    size = len(_packed(small()))
    shelf = Shelf(tmp_path / "shelf", max_bytes=4 * size)
    problems, opened = [], []

    def visit(number: int) -> None:
        for _ in range(8):
            try:
                opened.append(shelf.get(shelf.put(small(number))).file == f"{number}.mp4")
            except Exception as error:  # another's may have taken its place
                if "no longer here" not in str(error):
                    problems.append(error)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert opened
    assert all(opened)
    assert len(list(shelf.folder.iterdir())) <= 4


def _packed(result: Result) -> bytes:
    stream = io.BytesIO()
    pack(result, stream)
    return stream.getvalue()


def test_an_array_under_an_odd_name_is_not_kept():
    result = a_result(made_up_reading())
    result.readings[0].attention["../x"] = np.zeros(1)
    with pytest.raises(ValueError, match="no name"):
        pack(result, io.BytesIO())


@pytest.mark.parametrize("more", [{"keep_seconds": 0}, {"max_bytes": -1}, {"keep_seconds": float("nan")}])
def test_a_shelf_needs_time_and_room(tmp_path, more):
    with pytest.raises(ValueError, match="above 0"):
        Shelf(tmp_path, **more)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3600, "1 hour"), (7200, "2 hours"), (5400, "90 minutes"), (60, "1 minute"), (61, "61 seconds")],
)
def test_spoken(seconds, said):
    assert spoken(seconds) == said
