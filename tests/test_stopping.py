"""Stop ends the work in the midst of every stage: what is counted is what was still done after it."""

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import shades
from oracles import mixed_utterances
from processes import until

from fv2es import utterances
from fv2es.limits import Limits
from fv2es.modalities import cascade as cascade_module
from fv2es.modalities.cascade import Cascade
from fv2es.modalities.faces import FaceFinder
from fv2es.pipeline import analyse
from fv2es.reader import Reader
from fv2es.schema import SAMPLE_RATE, Frame, Transcript
from fv2es.stopping import Cancelled, check, stoppable, stopped, turn


class Stop:
    """Pressed when it is called for the `at`-th time; counts the calls."""

    def __init__(self, at: int = 1) -> None:
        self.at, self.calls, self.event = at, 0, threading.Event()

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.event.set()

    def stops(self, work: Callable[[], object]) -> bool:
        """Does it end the work?"""
        try:
            with stoppable(self.event.is_set):
                work()
        except Cancelled:
            return True
        return False


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_who_works_for_nobody_is_not_stopped() -> None:
    check()
    with stoppable(lambda: True):
        assert stopped()
        with stoppable(lambda: False):
            check()
        with pytest.raises(Cancelled):
            check()
    assert not stopped()


def test_what_is_stopped_is_this_thread_s_work_alone() -> None:
    seen: list[bool] = []
    with stoppable(lambda: True):
        other = threading.Thread(target=lambda: seen.append(stopped()))
        other.start()
        other.join()
    assert seen == [False]


@pytest.mark.parametrize("at", [1, 2, 5])
def test_finding_faces_ends_between_the_scales(at) -> None:
    cascade, stop = Cascade(), Stop(at)
    cascade._networks[0].register_forward_pre_hook(stop)
    assert stop.stops(lambda: cascade.detect(noise(2, 360, 480, 3), 40))
    assert stop.calls == at
    with stoppable(lambda: False):
        cascade.detect(noise(2, 360, 480, 3), 40)
    assert stop.calls >= 5, "there was more to do"


@pytest.mark.parametrize("network", [1, 2])
def test_finding_faces_ends_between_a_few_candidates(examples_frame: Frame, monkeypatch, network) -> None:
    monkeypatch.setattr(cascade_module, "PIXELS", 1)
    cascade, stop = Cascade(), Stop()
    cascade._networks[network].register_forward_pre_hook(stop)
    assert stop.stops(lambda: cascade.detect(examples_frame.pixels[None], 40))
    assert stop.calls == 1
    cascade.detect(examples_frame.pixels[None], 40)
    assert stop.calls > 2, "there was more to do"


@pytest.fixture(scope="module")
def examples_frame(examples: list[Path]) -> Frame:
    from fv2es.media import open_media

    with open_media(examples[0]) as media:
        return next(one for one in media.read([2.5], sound=False) if isinstance(one, Frame))


def test_the_model_ends_between_its_blocks(reader: Reader) -> None:
    whole = [one for one in mixed_utterances() if len(one.modalities) == 3][:1]
    parts = [one for one in reader.model.modules() if not list(one.children())]
    for at in (1, len(parts) // 2):
        stop = Stop(at)
        hooks = [one.register_forward_pre_hook(stop) for one in parts]
        try:
            assert stop.stops(lambda: reader.predict(whole))
            assert at <= stop.calls <= at + 1, "whatever had begun, and not one block more"
            done = stop.calls
            reader.predict(whole)
            assert stop.calls > 2 * done
        finally:
            for hook in hooks:
                hook.remove()


def test_what_is_stopped_leaves_models_as_they_were(reader: Reader) -> None:
    whole = mixed_utterances()[:1]
    before, threads = reader.predict(whole)[0].logits, torch.get_num_threads()
    assert Stop(0).stops(lambda: reader.predict(whole)) is False
    with stoppable(lambda: True), pytest.raises(Cancelled):
        reader.predict(whole)
    assert torch.get_num_threads() == threads
    assert not reader._lock.locked()
    np.testing.assert_array_equal(reader.predict(whole)[0].logits, before)


@pytest.mark.parametrize("who", ["finder", "reader"])
def test_nobody_waits_for_a_turn_that_is_no_longer_wanted(finder: FaceFinder, reader: Reader, who) -> None:
    stop, ended = Stop(), []
    work: Callable[[], object] = {
        "finder": lambda: finder.find([Frame(0.0, noise(90, 120, 3))]),
        "reader": lambda: reader.predict(mixed_utterances()[:1]),
    }[who]
    lock = {"finder": finder._lock, "reader": reader._lock}[who]
    with lock:  # somebody else's turn, for as long as it takes
        waiting = threading.Thread(target=lambda: ended.append(stop.stops(work)))
        waiting.start()
        stop()
        until(lambda: not waiting.is_alive())
    assert ended == [True]
    with turn(lock):
        assert lock.locked()
    assert not lock.locked()


STAGES = ("vad", "faces", "spectrogram", "speech", "model")


@pytest.mark.parametrize("stage", STAGES)
def test_stop_during_any_stage_is_the_end(stage, clip, reader: Reader, monkeypatch) -> None:
    """Of a clip with three utterances: after the stage in which Stop is pressed, no other begins.

    Words are written down and the next utterance is made in threads of their own: one in which Stop is not pressed may
    just have passed the place where it would have noticed, and what it begins then is its last.
    """
    from fv2es.modalities import extract

    stop, entered, late = threading.Event(), dict.fromkeys(STAGES, 0), defaultdict(set)

    def enter(name: str) -> None:
        if stop.is_set():
            late[threading.get_ident()].add(name)
        entered[name] += 1
        if name == stage:
            stop.set()
            late[threading.get_ident()].add(name)

    def then(name: str, result: Callable):
        def work(*given, **named):
            enter(name)
            return result(*given, **named)

        return work

    class Words:
        source = "typed"
        transcribe = staticmethod(then("speech", lambda waveform, span: Transcript("hm", "typed")))

    class Faces:
        find = staticmethod(then("faces", lambda frames, near: [[] for _ in frames]))

    def loud(chunks: np.ndarray) -> np.ndarray:
        enter("vad")
        return (np.abs(chunks).max(1) > 0.05) * 1.0

    monkeypatch.setattr(utterances, "_silero", lambda: loud)
    monkeypatch.setattr(extract, "mel_spectrogram", then("spectrogram", extract.mel_spectrogram))
    monkeypatch.setattr(reader.model, "raw", then("model", reader.model.raw), raising=False)
    rng = np.random.default_rng(0)
    parts = [rng.uniform(-level, level, round(s * SAMPLE_RATE)) for _ in range(3) for s, level in ((1, 0), (1.2, 0.5))]
    path = clip("a.mp4", np.concatenate([*parts, np.zeros(SAMPLE_RATE)]).astype(np.float32), shades(40), fps=5)
    with analyse(path, reader=reader, finder=Faces(), transcriber=Words(), cancel=stop, limits=Limits()) as analysis:
        assert list(analysis) == []
    assert entered[stage] == 1
    assert all(len(stages) == 1 for stages in late.values()), "begun after Stop"
    assert stop.is_set()
