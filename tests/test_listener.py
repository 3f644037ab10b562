"""PocketSphinx in processes of their own: the same words, and nothing that happens to them happens to us."""

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, shades
from processes import PATIENCE, open_files, until, waits
from test_aside import NoFaces

from fv2es import utterances
from fv2es.media import open_media
from fv2es.modalities.extract import extract
from fv2es.modalities.speech import SpeechError, make_transcriber, pocketsphinx
from fv2es.modalities.speech.pocketsphinx import ENDED, LISTENERS, UNAVAILABLE, Listeners, PocketSphinx, listen, load
from fv2es.schema import SAMPLE_RATE
from fv2es.stopping import Cancelled, stoppable

ROOM = 3.0  # megabytes that a process may move by while it listens on

pytestmark = pytest.mark.skipif(pocketsphinx.find_spec("pocketsphinx") is None, reason="needs PocketSphinx")


@pytest.fixture(scope="module")
def spoken(examples: list[Path]) -> list[np.ndarray]:
    """What is said in the first example, (n,) at 16 kHz: two parts of it."""
    with open_media(examples[0]) as media:
        sound = np.concatenate([block.samples for block in media.read()])
    return [sound[round(start * SAMPLE_RATE) : round((start + 1.6) * SAMPLE_RATE)] for start in (0.5, 2.0)]


@pytest.fixture
def listeners():
    made = Listeners()
    yield made
    while not made._places.empty():
        if (child := made._places.get()) is not None:
            child.end()


def waiting(listeners: Listeners) -> list:
    return [one for one in listeners._places.queue if one is not None]


def frozen(listeners: Listeners):
    """Its process, stopped in the midst of whatever it does."""
    listeners.prepare()
    (child,) = waiting(listeners)
    while not child.ready:
        child.hear(PATIENCE, lambda: False, lambda message: None)
    os.kill(child.pid, signal.SIGSTOP)
    return child


def said(heard: list[tuple[str, float]]) -> list[str]:
    """The words alone: their posteriors differ in the fourth digit from run to run."""
    return [word for word, _ in heard]


def pcm(sound: np.ndarray) -> bytes:
    return pocketsphinx.samples(sound)


def test_words_are_those_that_are_heard_in_this_process(spoken, listeners) -> None:
    decoder = load()
    here = [said(listen(decoder, pcm(one))) for one in spoken]
    assert any(here)
    assert [said(listeners.hear(pcm(one))) for one in spoken] == here
    assert [said(listeners.hear(pcm(one))) for one in reversed(spoken)] == here[::-1]
    assert len(waiting(listeners)) == 1, "one after the other needs one process"


def test_threads_hear_the_same_in_no_more_processes_than_there_may_be(spoken, listeners) -> None:
    alone, together = [said(listeners.hear(pcm(one))) for one in spoken], {}

    def hear(number: int) -> None:
        together[number] = said(listeners.hear(pcm(spoken[number % len(spoken)])))

    threads = [threading.Thread(target=hear, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [together[number] for number in range(4)] == 2 * alone
    assert 1 <= len(waiting(listeners)) <= LISTENERS
    assert listeners._places.qsize() == LISTENERS


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_listener_that_dies_is_a_sentence_and_the_next_one_hears(spoken, listeners, how) -> None:
    before, child = said(listeners.hear(pcm(spoken[0]))), frozen(listeners)
    ended: list[str] = []

    def hear() -> None:
        with pytest.raises(SpeechError) as caught:
            listeners.hear(pcm(spoken[0]))
        ended.append(str(caught.value))

    hearing = threading.Thread(target=hear)
    hearing.start()
    until(lambda: not waiting(listeners))
    os.kill(child.pid, how)
    os.kill(child.pid, signal.SIGCONT)
    hearing.join()
    assert ended == [ENDED]
    assert said(listeners.hear(pcm(spoken[0]))) == before


def test_one_that_died_while_nobody_listened_costs_no_words(spoken, listeners) -> None:
    before = said(listeners.hear(pcm(spoken[0])))
    (child,) = waiting(listeners)
    os.kill(child.pid, signal.SIGKILL)
    child._process.wait()
    assert said(listeners.hear(pcm(spoken[0]))) == before


def test_one_that_is_silent_for_too_long_is_ended(spoken, listeners, monkeypatch) -> None:
    child = frozen(listeners)
    monkeypatch.setattr(pocketsphinx, "PATIENCE", 0.1)
    with pytest.raises(SpeechError, match=ENDED):
        listeners.hear(pcm(spoken[0]))
    assert not child.alive


def test_one_that_cannot_begin_costs_no_place(spoken, listeners, monkeypatch) -> None:
    def full(child):
        raise OSError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as broken:
        broken.setattr(pocketsphinx, "_awake", full)
        for _ in range(LISTENERS + 1):
            listeners.prepare()
    assert listeners._places.qsize() == LISTENERS
    assert listeners.hear(pocketsphinx.samples(spoken[0]))


def test_stop_ends_it_in_the_midst_of_listening(spoken, listeners) -> None:
    child, stop, ended = frozen(listeners), threading.Event(), []

    def hear() -> None:
        with stoppable(stop.is_set), pytest.raises(Cancelled):
            listeners.hear(pcm(spoken[0]))
        ended.append(True)

    hearing = threading.Thread(target=hear)
    hearing.start()
    until(lambda: not waiting(listeners))
    stop.set()
    hearing.join()
    assert ended == [True]
    assert not child.alive
    assert listeners._places.qsize() == LISTENERS, "another may be made"


def test_stop_ends_waiting_for_one(spoken) -> None:
    with stoppable(lambda: True), pytest.raises(Cancelled):
        Listeners(0).hear(pcm(spoken[0]))


def test_what_cannot_be_loaded_is_a_sentence(spoken, listeners, monkeypatch) -> None:
    """As where the package is there and its model is not."""
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setattr("fv2es.media.starting.LEFT", ("POCKETSPHINX_PATH",))
    monkeypatch.setenv("POCKETSPHINX_PATH", "nowhere")
    with pytest.raises(SpeechError, match=UNAVAILABLE):
        listeners.hear(pcm(spoken[0]))


def test_an_utterance_without_its_words_is_read_and_told_of(spoken, clip, monkeypatch) -> None:
    made = Listeners()
    monkeypatch.setattr(pocketsphinx, "of_process", lambda number: made)
    monkeypatch.setattr(utterances, "_silero", lambda: lambda chunks: (np.abs(chunks).max(1) > 0.05) * 1.0)
    pause = np.zeros(SAMPLE_RATE, np.float32)
    path = clip("a.mp4", np.concatenate([pause, spoken[0], pause, spoken[0], pause]), shades(35), fps=5)
    transcriber, _ = make_transcriber("pocketsphinx")
    with open_media(path) as media:
        whole = [one for one, _ in extract(media, finder=NoFaces(), transcriber=transcriber)]
        assert media.notes == []
    assert any(one.transcript for one in whole)
    child = frozen(made)
    killing = threading.Thread(target=lambda: (until(lambda: not waiting(made)), child._process.kill()))
    killing.start()
    with open_media(path) as media:
        again = [one for one, _ in extract(media, finder=NoFaces(), transcriber=transcriber)]
        assert media.notes == [ENDED]
    assert [one.span for one in again] == [one.span for one in whole]
    assert (again[0].transcript.text, again[0].transcript.source) == ("", "pocketsphinx")
    assert [one.transcript for one in again[1:]] == [one.transcript for one in whole[1:]]
    for one in waiting(made):
        one.end()


def test_memory_is_flat(spoken, listeners) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("a process can be asked for its memory on Linux only")

    def resident() -> float:
        (child,) = waiting(listeners)
        return int(Path(f"/proc/{child.pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024

    for _ in range(3):
        listeners.hear(pcm(spoken[1]))
    before, files = resident(), open_files()
    for _ in range(8):
        listeners.hear(pcm(spoken[1]))
    assert resident() < before + ROOM
    until(lambda: open_files() <= files)


def test_listeners_that_are_forgotten_end(spoken) -> None:
    made = Listeners()
    made.hear(pcm(spoken[0]))
    pids = [one.pid for one in waiting(made)]
    del made
    gc.collect()
    for pid in pids:
        until(lambda: not waits(pid))  # noqa: B023


SCRIPT = """
import os, signal, sys, threading
import numpy as np
from fv2es.modalities.speech import pocketsphinx
one = pocketsphinx.PocketSphinx()
hearing = threading.Thread(target=one.hear, args=(np.ones(9_000, np.float32),))
hearing.start()
hearing.join()
places = one._listeners._places.queue
print(*[child.pid for child in places if child is not None], sep="\\n", flush=True)
{end}
"""


@pytest.mark.parametrize("way", ["-c", "script"])
@pytest.mark.parametrize(("end", "code"), [("os.kill(os.getpid(), signal.SIGKILL)", -9), ("sys.exit(3)", 3)])
def test_a_listener_ends_with_its_parent(tmp_path, way, end, code) -> None:
    """Also in a script without a guard around what it does."""
    script = SCRIPT.format(end=end)
    (tmp_path / "script.py").write_text(script)
    program = ["-c", script] if way == "-c" else [str(tmp_path / "script.py")]
    done = subprocess.run(
        [sys.executable, *program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code, done.stderr
    (pid,) = map(int, done.stdout.split())
    until(lambda: not waits(pid))


def test_after_a_fork_a_process_has_its_own() -> None:
    assert pocketsphinx.of_process(1) is pocketsphinx.of_process(1) is not pocketsphinx.of_process(2)
    assert PocketSphinx()._listeners is pocketsphinx.of_process(os.getpid())


def test_a_listener_loads_what_it_needs_and_nothing_else() -> None:
    code = "import fv2es.modalities.speech.listener, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(loaded.stdout.split()) & {"av", "torch", "gradio", "transformers", "matplotlib", "PIL"}
