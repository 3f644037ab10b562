"""What is held does not grow with the clip: neither here nor in the process that decodes."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import tone, write_clip
from processes import forget_peak, peak
from stubs import Predicting
from test_hostile import EveryFrame

from fv2es.media import open_media
from fv2es.pipeline import analyse

SHORT, LONG = 30, 300  # seconds
ROOM = 25.0  # megabytes: an eighth of what the long one's frames would take if they were held

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a process can be asked for its peak on Linux only"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[int, Path]:
    """Seconds → a clip of so many, one picture a second."""
    pictures = [np.full((360, 640, 3), 10 + number % 200, np.uint8) for number in range(LONG)]
    folder, codecs = tmp_path_factory.mktemp("lengths"), ("flac", "libx264")
    return {
        seconds: write_clip(folder / f"{seconds}.mkv", tone(seconds), pictures[:seconds], fps=1, codecs=codecs)
        for seconds in (SHORT, LONG)
    }


def peak_of(path: Path) -> float:
    """Megabytes that this process holds at its height, while it reads the clip."""
    options = {"reader": Predicting(), "finder": EveryFrame(), "speech": "none"}
    forget_peak()
    with analyse(path, **options) as analysis:
        count = sum(1 for _ in analysis)
        assert count == pytest.approx(analysis.duration / 5, abs=1)
    return peak()


def test_ten_times_the_length_is_not_more_memory(clips) -> None:
    short = max(peak_of(clips[SHORT]) for _ in range(2))  # what is loaded once is loaded then
    long = peak_of(clips[LONG])
    assert long < short + ROOM


def test_nor_does_the_child_grow(clips) -> None:
    peaks = []
    for seconds in (SHORT, LONG):
        with open_media(clips[seconds]) as media:
            for _ in media.read(itertools.count(0.2, 0.4)):
                pass
            status = Path(f"/proc/{media.pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    assert peaks[1] < peaks[0] + ROOM
    assert peaks[1] < 500
