"""Decoding in a child process: the same as without it, and nothing that happens to the child happens to us."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, shades, tone, write_clip
from processes import PATIENCE, open_files, until, waits

from fv2es.limits import Limits
from fv2es.media import Cancelled, Decoders, MediaError, isolated, open_media, rules
from fv2es.media.forked import Barren, Nursery
from fv2es.media.plain import open_plain
from fv2es.media.process import Child
from fv2es.media.relay import Relay
from fv2es.media.wire import LONGEST_LINE, RING, Lines
from fv2es.schema import Frame, Sound


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """Eight times as many pixels as are held ahead."""
    pictures = [np.full((720, 1280, 3), 10 + number, np.uint8) for number in range(96)]
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", tone(9.6), pictures, codecs=("flac", "libx264"))


def events_of(media, *given, **more) -> list[tuple]:
    """Type, time and bytes of all that a pass gives."""
    with media:
        events = list(media.read(*given, **more))
    return [
        (type(one), one.time, (one.pixels if isinstance(one, Frame) else one.samples).tobytes(), media.seconds_read)
        for one in events
    ]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("a.mp4", {}),
        ("a.mkv", {"rotation": 0, "sound_at": 0.4}),
        ("a.mov", {"rotation": 90, "codecs": ("pcm_s16le", "libx264")}),
        ("a.avi", {"codecs": ("pcm_s16le", "mjpeg")}),
    ],
)
@pytest.mark.parametrize("options", [{}, {"start": 0.7, "end": 1.6}, {"sound": False}, {"rate": 48_000, "channels": 2}])
def test_a_child_gives_the_same_bytes(clip, name, more, options) -> None:
    path = clip(name, tone(2), shades(20), **({"codecs": ("flac", "libx264")} | more))
    times = [0.0, 0.05, 0.31, 0.32, 0.9, 1.2, 1.99]
    plain = events_of(open_plain(path), times, **options)
    assert len(plain) > 2
    assert events_of(open_media(path), times, **options) == plain


def test_what_does_not_fit_into_the_shared_memory_at_once_is_the_same_too(long) -> None:
    asked = [time + share for time in range(9) for share in np.linspace(0, 0.9, 10)]
    assert sum(map(len, (one[2] for one in events_of(open_plain(long), asked)))) > 6 * RING
    assert events_of(open_media(long), asked) == events_of(open_plain(long), asked)


def test_a_damaged_file_looks_the_same_to_everybody(examples, tmp_path) -> None:
    content = np.frombuffer(examples[0].read_bytes(), np.uint8).copy()
    content[np.random.default_rng(1).integers(len(content) // 4, len(content), 200)] ^= 4
    (tmp_path / "damaged.mp4").write_bytes(content.tobytes())
    seen = {hash(tuple(events_of(open_media(tmp_path / "damaged.mp4"), itertools.count(0.2, 0.4)))) for _ in range(4)}
    assert len(seen) == 1


def test_a_frame_that_is_asked_for_twice_is_the_same_object(clip) -> None:
    with open_media(clip("a.mp4", None, shades(10))) as media:
        one, two, other = media.read([0.31, 0.32, 0.5])
    assert one.pixels is two.pixels is not other.pixels


def test_more_times_than_are_told_at_once(clip) -> None:
    with open_media(clip("a.mp4", tone(2), shades(20))) as media:
        asked = (number / 1000 for number in itertools.count())
        frames = [one for one in media.read(asked) if isinstance(one, Frame)]
    assert [one.time for one in frames] == [number / 1000 for number in range(2000)]


def test_a_pass_that_is_given_up_gives_way_to_the_next(long) -> None:
    with open_media(long) as media, open_plain(long) as plain:
        for _ in range(3):
            next(event for event in media.read(itertools.count(0, 0.1)) if isinstance(event, Frame))
        again = list(media.read([5.0], 4.0, 6.0))
        expected = list(plain.read([5.0], 4.0, 6.0))
    assert [event.time for event in again] == [event.time for event in expected]


def read_until_frozen(media) -> tuple[list, "itertools.chain"]:
    """The first events; the child is frozen then, as if its decoder hung."""
    events = media.read(itertools.count(0, 0.1))
    first = list(itertools.islice(events, 3))
    os.kill(media.pid, signal.SIGSTOP)
    return first, events


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(isolated, "GRACE", 0.2)
    return Limits(decode_seconds=0.5)


def test_a_decoder_that_hangs_is_killed_and_what_was_read_stays(long, impatient) -> None:
    with open_media(long) as media:  # with time enough to begin on a busy machine
        first, events = read_until_frozen(media)
        media._left = impatient.decode_seconds
        rest = list(events)
        assert media.notes == [rules.TOO_SLOW_TAIL]
        assert not media.alive
    assert len(first) == 3
    assert all(isinstance(event, Sound | Frame) for event in rest)


def test_a_decoder_that_hangs_from_the_start_is_a_sentence(clip, impatient, monkeypatch) -> None:
    decoders = Decoders()
    child = decoders.take()
    while not child.ready:
        child.hear(PATIENCE, lambda: False, lambda message: None)
    os.kill(child.pid, signal.SIGSTOP)
    monkeypatch.setattr(decoders, "take", lambda: child)
    with pytest.raises(MediaError, match=rules.TOO_SLOW):
        open_media(clip("a.mp4", tone(1)), impatient, decoders=decoders)
    assert not child.alive
    decoders.close()


@pytest.mark.parametrize(
    ("how", "tail"),
    [
        (signal.SIGSEGV, rules.CRASHED_TAIL),
        (signal.SIGABRT, rules.CRASHED_TAIL),
        (signal.SIGXCPU, rules.TOO_SLOW_TAIL),
        (signal.SIGKILL, rules.TOO_BIG_TAIL),  # as the kernel does when memory ends
    ],
)
def test_a_decoder_that_dies_ends_the_pass_with_a_note(long, how, tail) -> None:
    with open_media(long) as media:
        events = media.read(itertools.count(0, 0.1))
        first = list(itertools.islice(events, 3))
        os.kill(media.pid, how)
        list(events)
        assert media.notes == [tail]
        assert len(first) == 3
        again = list(media.read([0.2], end=0.5))  # another pass gets another child
        assert [event.time for event in again if isinstance(event, Frame)] == [0.2]


def test_a_decoder_that_dies_before_anything_was_read_is_a_sentence(clip) -> None:
    with open_media(clip("a.mp4", tone(1), shades(5))) as media:

        def asked() -> Iterator[float]:
            """It dies when it has been told to read; dead before, another would take its place."""
            os.kill(media.pid, signal.SIGSEGV)
            os.kill(media.pid, signal.SIGCONT)
            yield 0.1

        os.kill(media.pid, signal.SIGSTOP)  # so that it cannot be quicker than we are
        with pytest.raises(MediaError, match=rules.CRASHED):
            list(media.read(asked()))


@dataclass(frozen=True)
class Strange(Limits):
    """Has what no child knows."""

    cousin_anna: float = 1.0


def test_of_a_decoder_that_fails_the_log_has_the_place_and_no_word(clip, caplog) -> None:
    with pytest.raises(MediaError, match=rules.CRASHED):
        open_media(clip("a.mp4", tone(1)), Strange())
    (line,) = (record.getMessage() for record in caplog.records if "child failed" in record.getMessage())
    assert "TypeError, __main__:" in line
    assert not any(word in line for word in ("cousin_anna", "a.mp4", "\n"))


def test_memory_has_its_limit(clip) -> None:
    path = clip("a.mp4", tone(1), shades(3, 3840, 2160))
    assert len(events_of(open_media(path), [0.1])) > 1
    with pytest.raises(MediaError, match=f"{rules.TOO_BIG}|{rules.CRASHED}"):
        events_of(open_media(path, Limits(decode_bytes=150e6)), [0.1])


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_whoever_waits_for_a_decoder_can_be_called_off(long, how) -> None:
    cancel = threading.Event()
    with open_media(long, cancel=cancel.is_set) as media:
        _, events = read_until_frozen(media)  # nothing more will come of it, ever
        ended: list[type] = []

        def wait() -> None:
            try:
                list(events)
            except Cancelled as error:
                ended.append(type(error))

        waiting = threading.Thread(target=wait)
        waiting.start()
        if how == "close":
            until(lambda: media._child._busy.locked())
            media.close()
        else:
            cancel.set()
        waiting.join()
        assert ended == [Cancelled]
    assert not media.alive


def test_a_closed_file_leaves_nothing_behind(long) -> None:
    before = open_files()
    for _ in range(3):
        with open_media(long) as media:
            events = media.read(itertools.count(0, 0.1))
            list(itertools.islice(events, 5))
            pid = media.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        events.close()
    until(lambda: open_files() <= before)


def test_a_file_that_is_forgotten_is_closed(clip) -> None:
    media = open_media(clip("a.mp4", tone(1)))
    pid = media.pid
    del media
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


SCRIPT = """
import os, signal, sys
from fv2es.media import open_media
media = open_media(sys.argv[1])
events = media.read([0.0, 0.5])
first = next(events)
print(media.pid, type(first).__name__, flush=True)
{}
"""


@pytest.mark.parametrize("way", ["-c", "script"])
@pytest.mark.parametrize(
    ("end", "code"), [("os.kill(os.getpid(), signal.SIGKILL)", -9), ("sys.exit(3)", 3), ("os._exit(4)", 4)]
)
def test_a_child_ends_with_its_parent(clip, tmp_path, way, end, code) -> None:
    """Also in a script without a guard around what it does."""
    path, script = clip("a.mp4", tone(1), shades(10)), SCRIPT.format(end)
    (tmp_path / "script.py").write_text(script)
    program = ["-c", script] if way == "-c" else [str(tmp_path / "script.py")]
    done = subprocess.run(
        [sys.executable, *program, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code, done.stderr
    pid, name = done.stdout.split()
    assert name in ("Frame", "Sound")
    until(lambda: not waits(int(pid)))


def test_a_child_loads_what_decodes_and_nothing_else() -> None:
    code = "import fv2es.media.child, av, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = set(loaded.stdout.split())
    assert {"av", "numpy"} <= modules
    assert not modules & {"torch", "gradio", "transformers", "matplotlib", "scipy", "PIL"}


FORBIDDEN = """
import socket, sys, os
from fv2es.limits import Limits
from fv2es.media.sandbox import confine
confine(Limits())
def tried(what):
    try:
        what()
        return "done"
    except (OSError, MemoryError) as error:
        return type(error).__name__
def write():
    with open(sys.argv[1], "w") as file:
        file.write("x")
def connect():
    with socket.socket() as one:
        one.connect(("127.0.0.1", int(sys.argv[2])))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(tried(write), tried(lambda: bytearray(3_000_000_000)), tried(connect))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer of these limits")
def test_a_child_may_do_little(tmp_path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", FORBIDDEN, str(tmp_path / "written"), str(server.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    write, memory, connect = done.stdout.split()
    assert write in ("OSError", "PermissionError")
    assert memory == "MemoryError"
    assert connect in ("OSError", "PermissionError", "done")  # users may not leave the network on every system
    assert not (tmp_path / "written").exists() or (tmp_path / "written").read_bytes() == b""


def test_a_child_learns_nothing_of_our_environment(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a secret")
    child = Child()
    while not child.ready:
        child.hear(PATIENCE, lambda: False, lambda message: None)
    if Path("/proc/self/environ").exists():
        assert b"secret" not in Path(f"/proc/{child.pid}/environ").read_bytes()
    child.end()


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    found = Decoders()
    yield found
    found.close()


forks = pytest.mark.skipif(not Nursery.possible(), reason="this system cannot fork and hold what it has borne")


@forks
def test_who_is_forked_gives_the_same_bytes(clip, decoders) -> None:
    path = clip("a.mp4", tone(2), shades(20), codecs=("flac", "libx264"))
    asked = [0.0, 0.31, 0.9, 1.99]
    for _ in range(2):
        assert events_of(open_media(path, decoders=decoders), asked) == events_of(open_plain(path), asked)


@forks
def test_who_is_forked_shares_nothing_with_its_siblings(clip, decoders) -> None:
    path = clip("a.mp4", tone(2), shades(10))
    nursery = decoders._nursery.pid
    with open_media(path, decoders=decoders) as one, open_media(path, decoders=decoders) as other:
        pids = {one.pid, other.pid}
        assert len(pids | {nursery}) == 3
        memories = []
        for pid in pids:
            assert f"PPid:\t{nursery}\n" in Path(f"/proc/{pid}/status").read_text()
            opened = {found: os.readlink(found) for found in Path(f"/proc/{pid}/fd").iterdir()}
            assert not any("socket" in name for name in opened.values())
            memories += {found.stat().st_ino for found, name in opened.items() if "fv2es-frames" in name}
        assert len(set(memories)) == len(memories) == 2
        assert not any("fv2es-frames" in os.readlink(found) for found in Path(f"/proc/{nursery}/fd").iterdir())
    until(lambda: not any(map(waits, pids)))
    assert waits(nursery)


@forks
@pytest.mark.parametrize(
    ("how", "tail"),
    [
        (signal.SIGSEGV, rules.CRASHED_TAIL),
        (signal.SIGXCPU, rules.TOO_SLOW_TAIL),
        (signal.SIGKILL, rules.TOO_BIG_TAIL),
    ],
)
def test_how_one_that_was_forked_died_is_known(long, decoders, how, tail) -> None:
    with open_media(long, decoders=decoders) as media:
        events = media.read(itertools.count(0, 0.1))
        list(itertools.islice(events, 3))
        os.kill(media.pid, how)
        list(events)
        assert media.notes == [tail]
        assert [event.time for event in media.read([0.2], end=0.5) if isinstance(event, Frame)] == [0.2]


@forks
def test_where_the_nursery_has_died_there_is_another(clip, decoders) -> None:
    path, first = clip("a.mp4", tone(1), shades(10)), decoders._nursery.pid
    os.kill(first, signal.SIGKILL)
    for _ in range(2):
        with open_media(path, decoders=decoders) as media:
            assert media.has_audio
        assert decoders._nursery.pid != first
    with open_media(path, decoders=decoders) as media:
        assert f"PPid:\t{decoders._nursery.pid}\n" in Path(f"/proc/{media.pid}/status").read_text()


@forks
def test_whom_a_dead_nursery_bore_is_given_up(long, decoders) -> None:
    with open_media(long, decoders=decoders) as media:
        list(itertools.islice(media.read(itertools.count(0, 0.1)), 3))
        pid, nursery = media.pid, decoders._nursery.pid
        os.kill(nursery, signal.SIGKILL)
        until(lambda: not media.alive)
        until(lambda: not waits(pid))
        assert [event.time for event in media.read([0.2], end=0.5) if isinstance(event, Frame)] == [0.2]


@forks
def test_where_none_can_be_forked_one_begins_anew(clip, decoders, monkeypatch) -> None:
    def barren(*_) -> None:
        raise Barren

    monkeypatch.setattr(Nursery, "bear", barren)
    with open_media(clip("a.mp4", tone(1), shades(10)), decoders=decoders) as media:
        assert media.has_audio


@forks
def test_who_decodes_goes_on_when_the_nursery_is_closed(long, decoders) -> None:
    with open_media(long, decoders=decoders) as media:
        events = media.read(itertools.count(0, 0.1))
        first, closing = next(events), threading.Thread(target=decoders.close)
        closing.start()
        assert first.time == 0.0
        assert len(list(events)) > 90
    closing.join()
    with open_media(long, decoders=decoders) as media:  # and whoever comes later is served
        assert media.has_video


@forks
@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(3)"])
def test_the_nursery_and_whom_it_bore_end_with_us(clip, tmp_path, end) -> None:
    script = SCRIPT.replace("open_media(sys.argv[1])", "open_media(sys.argv[1], decoders=decoders)").replace(
        "media = ", "from fv2es.media import Decoders\ndecoders = Decoders()\nmedia = ", 1
    )
    script = script.replace("print(media.pid,", "print(media.pid, decoders._nursery.pid,").format(end)
    done = subprocess.run(
        [sys.executable, "-c", script, str(clip("a.mp4", tone(1), shades(10)))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    pid, nursery, _ = done.stdout.split()
    until(lambda: not waits(int(pid)) and not waits(int(nursery)))


@forks
def test_who_is_forked_learns_nothing_of_our_environment(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a secret")
    with closing(Decoders()) as decoders:
        child = decoders.take()
        assert b"secret" not in Path(f"/proc/{child.pid}/environ").read_bytes()
        child.end()


@pytest.mark.parametrize(
    "message",
    [
        ["frame", 1, 0.0, 0, 100, 0.0, 99_999, 99_999],
        ["frame", 1, 0.0, RING - 10, 100, 0.0, 10, 10],
        ["frame", 1, 0.0, -300, 100, 0.0, 10, 10],
        ["frame", 1, 0.0, 0, 100, 0.0, 10.5, 10],
        ["frame", 1, 0.0, 0, 100, 0.0, -10, -10],
        ["frame", 1, 0.0],
        ["sound", 1, 0.0, 0, 100, 0.0, 16_000, -4],
        ["sound", 1, 0.0, 0, 100, 0.0, 16_000, RING],
        ["sound", 1, 0.0, 0, 100, 0.0, 16_000, 4, 4, 4],
        ["sound", 1, 0.0, 0, 100, 0.0, 16_000],
        ["again", 1, 0.0, 0.5],
        ["done", 2, 0.0],
        ["done", 1, "much"],
        ["whatever", 1, 0.0],
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(message) -> None:
    import mmap

    with mmap.mmap(-1, RING) as memory, pytest.raises((ValueError, TypeError, IndexError)):
        Relay(1, iter(())).take(message, memory)


@pytest.mark.parametrize("said", [b"x" * (LONGEST_LINE + 9), b"nonsense\n", b"{}\n", b"[]\n", b"[1]\n", b"\xff\xfe\n"])
def test_lines_that_are_no_messages_are_refused(said) -> None:
    read, write = os.pipe()
    lines = Lines(read)

    def say() -> None:
        with suppress(BrokenPipeError), os.fdopen(write, "wb", 0) as pipe:  # nobody may want the rest
            pipe.write(said)

    saying = threading.Thread(target=say)
    saying.start()

    def message():
        while (found := lines.ready()) is None:
            assert lines.fill()
        return found

    with pytest.raises(ValueError, match=r"."):  # json's own is one of them
        message()
    os.close(read)
    saying.join()
