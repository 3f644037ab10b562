"""Whatever a stranger sends ends in a result or in one clear sentence, and the next visitor is served as before."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import shades, tone, write_clip
from hostile import make
from processes import children, forget_peak, open_files, peak, until
from stubs import Predicting

from fv2es.limits import Limits
from fv2es.media import Decoders, MediaError
from fv2es.modalities.faces import Detection
from fv2es.pipeline import analyse

LIMITS = Limits()  # those of the public page
SENTENCE = re.compile(r"[A-Z][^/\\\n<>]{9,200}\.")  # no path, no markup, no second line
ROOM = 200  # megabytes that this process may grow by, whatever it is sent
TOGETHER = 2  # visitors at once

pytestmark = pytest.mark.slow


class EveryFrame:
    """Finds a face as large as the frame."""

    def find(self, frames, near=None):
        return [[Detection((0.0, 0.0, *map(float, one.pixels.shape[1::-1])), 0.99)] for one in frames]


def outcome(path: Path, decoders: Decoders) -> tuple[int | None, list[str]]:
    """How many readings, None where there is a refusal; and the sentences for the visitor."""
    options = {"reader": Predicting(), "finder": EveryFrame(), "speech": "none"}
    try:
        with analyse(path, limits=LIMITS, decoders=decoders, **options) as analysis:
            readings = list(analysis)
            for reading in readings:
                assert np.isfinite(reading.probabilities).all()
                assert reading.span.end <= LIMITS.max_seconds
            return len(readings), analysis.notes
    except MediaError as error:
        return None, [str(error)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """name → what became of it, for the whole corpus; and what the process held before and after."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus = make(folder)
    good = write_clip(folder / "good.mp4", tone(2), shades(20))
    decoders = Decoders()
    first = outcome(good, decoders)
    decoders.close()
    files, processes = open_files(), set(children())
    before = forget_peak()
    decoders = Decoders()
    with ThreadPoolExecutor(TOGETHER) as visitors:
        found = dict(zip(corpus, visitors.map(partial(outcome, decoders=decoders), corpus.values()), strict=True))
    assert outcome(good, decoders) == first
    decoders.close()
    until(lambda: open_files() <= files and processes.issuperset(children()))
    grown = peak() - before
    assert sorted(path.name for path in folder.iterdir()) == sorted([*corpus, good.name]), "nothing was written"
    return found, grown


def of_kind(outcomes, kind: str) -> dict[str, tuple[int | None, list[str]]]:
    return {name: what for name, what in outcomes[0].items() if name.startswith(kind)}


def test_every_file_ends_in_a_result_or_in_one_sentence(outcomes) -> None:
    found = outcomes[0]
    assert len(found) >= 200
    wrong = {name: said for name, (_, said) in found.items() if not all(map(SENTENCE.fullmatch, said))}
    assert wrong == {}
    silent = [name for name, (readings, said) in found.items() if not readings and not said]
    assert silent == [], "neither a result nor a word"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be forgotten on Linux only")
def test_this_process_does_not_grow_by_them(outcomes) -> None:
    """Nor do the children: see the limit on their memory in test_isolation."""
    assert outcomes[1] < ROOM


def test_what_is_truncated_gives_what_is_left(outcomes) -> None:
    """A format that can be read from its beginning gives something from its middle on, and more and more of it."""
    for name in ("h264.mkv", "mpeg2.mpg"):
        kept = [bool(readings) for one, (readings, _) in sorted(of_kind(outcomes, "truncated").items()) if name in one]
        assert len(kept) == 19
        assert all(kept[14:])


def test_what_would_open_something_else_is_refused(outcomes) -> None:
    kinds = of_kind(outcomes, "disguised")
    assert len(kinds) > 25
    assert {name for name, (readings, _) in kinds.items() if readings} == set()


def test_what_is_inside_counts_and_not_the_name(outcomes) -> None:
    refused = {name for name, (readings, _) in of_kind(outcomes, "misnamed").items() if readings is None}
    assert refused <= {"misnamed-behind-zeros.mp4"}


def test_bombs_do_not_go_off(outcomes) -> None:
    said = {name.removeprefix("bombs-"): sentences for name, (_, sentences) in of_kind(outcomes, "bombs").items()}
    assert "7680×4320 pixels" in said["8k.mp4"][0]
    assert "120 pictures a second" in said["rapid.mp4"][0]
    assert "pixels" in said["pixels.png"][0]
    assert "pixels" in said["claims.png"][0]
    for hour in ("hour-of-pictures.mp4", "hour-of-silence.flac"):
        assert "Only the first 3 minutes were read; the rest was skipped." in said[hour]


def test_what_is_merely_odd_is_read(outcomes) -> None:
    odd = of_kind(outcomes, "odd")
    refused = {name for name, (readings, _) in odd.items() if readings is None}
    assert refused == {"odd-changes-to-too-large.ts", "odd-tiny.mkv"}  # ffv1 is not among the decoders that are let in
    heard_only = {name for name, (readings, _) in odd.items() if readings == 0}
    silent = ("no-pictures.mp4", "one-picture.mp4", "one-sample.wav", "short.wav", "cover.mp3", "eight-bits.wav")
    assert heard_only <= {f"odd-{name}" for name in (*silent, "many-channels.wav", "thin.mp4", "leaps.mkv")}
