"""What the measurements rest on: clips of the right length, both ways really doing the same, tables that say so."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, shades, tone

from benchmarks import __main__ as bench
from benchmarks import forms, measuring, page, stored, straightforward, visitors, whole
from benchmarks.made_up import Clips, _repeat, _srt
from fv2es.media import open_media
from fv2es.modalities.speech.subtitles import Cue, parse_subtitles
from fv2es.schema import Sound


def test_a_clip_is_repeated_until_it_is_long_enough(clip, tmp_path: Path) -> None:
    base = clip("base.mp4", tone(2.0), shades(20), fps=10)
    _repeat(base, tmp_path / "long.mp4", 7.0, 2.0)
    with open_media(tmp_path / "long.mp4") as media:
        events = list(media.read((0.45, 2.45, 6.45)))
        assert media.seconds_read == pytest.approx(7.0, abs=0.1)
        assert media.notes == []
    pictures = [event.pixels for event in events if not isinstance(event, Sound)]
    assert len(pictures) == 3
    assert all(np.abs(one.astype(int) - pictures[0]).mean() < 2 for one in pictures)
    sound = np.concatenate([event.samples for event in events if isinstance(event, Sound)])
    assert np.abs(sound[: 6 * 16_000]).reshape(-1, 3200).max(axis=1).min() > 0.2, "no gap where rounds meet"


def test_words_are_repeated_with_it() -> None:
    cues = parse_subtitles(_srt([Cue(0.5, 1.0, "one"), Cue(1.25, 2.0, "two")], 5.0, 2.0))
    assert [cue.text for cue in cues] == ["one", "two", "one", "two", "one"]
    assert [cue.start for cue in cues] == [0.5, 1.25, 2.5, 3.25, 4.5]


def test_what_is_spent_is_counted() -> None:
    with measuring.spent() as used:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            np.ones(1000).sum()
    assert used.wall > 0
    assert used.own >= 0.05
    assert used.peak > 10e6 or not Path("/proc/self/status").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a living process can be asked on Linux only")
def test_so_is_what_a_child_spends_that_lives_on() -> None:
    busy = "while not __import__('time').process_time() > 0.1: pass\nprint(flush=True); input()"
    with measuring.spent() as used:
        child = subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
    child.communicate(b"\n")
    assert used.children >= 0.05


def test_training_and_inference_form_say_the_same() -> None:
    rows = forms.run(1, ("v2em-compact", "rfam-focal-compact"))
    assert all(row["apart"] < 1e-4 for row in rows)
    assert all(len(row["training"]) == len(row["inference"]) == 1 for row in rows)
    assert ["merged" in row for row in rows] == [False, True]
    assert "v2em-compact" in forms.report(rows)


class Examples(Clips):
    """An example in place of what is made."""

    def get(self, seconds: float, height: int) -> tuple[Path, Path]:
        return ROOT / "examples" / "good_news.mp4", ROOT / "examples" / "good_news.srt"


@pytest.mark.slow
def test_the_straightforward_way_reads_the_same(tmp_path: Path) -> None:
    """The whole fast path against the plain one: other decoder calls, detector, scale of frames and VAD model."""
    (row,) = straightforward.run(Examples(tmp_path), ((12, 480, 1),))
    assert row["same_spans"]
    assert row["utterances"] >= 2
    assert row["apart"] < 0.1
    assert row["apart_mean"] < 0.02
    assert "yes" in straightforward.report([row])


@pytest.mark.slow
def test_what_is_stored_and_loaded_reads_the_same(tmp_path: Path) -> None:
    result = stored.run(Examples(tmp_path), 1)
    assert result["utterances"] >= 2
    assert all(apart < 0.1 for apart in result["apart"].values())
    assert list(tmp_path.iterdir()) == []
    assert stored.MEMORY in stored.report(result)


@pytest.mark.slow
def test_visitors_get_what_one_gets(tmp_path: Path) -> None:
    (row,) = visitors.run(Examples(tmp_path), (2,))
    assert row["apart"] < 1e-6
    assert len(row["first"]) == len(row["total"]) == 2
    assert "| 2 |" in visitors.report([row])


def test_tables_of_length_and_stages() -> None:
    run = {"first": 0.5, "duration": 10.0, "utterances": 2, "wall": 1.0, "own": 0.8, "children": 0.3, "peak": 10**9}
    run["stages"] = dict.fromkeys(whole.STAGES, 0.1)
    row = {"seconds": 10, "height": 360, "clip": "made-up", "words": "given", "runs": [run, run | {"wall": 1.2}]}
    assert "0.110 (0.100–0.120)" in whole.lengths([row])
    assert "| 0.60 |" in whole.stages([row])


def test_results_are_kept_as_they_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def run(name: str) -> list[int]:
        asked.append(name)
        if asked == ["one", "two"]:
            raise RuntimeError
        return [1, 2]

    chosen = {"one": ("One", None, str), "two": ("Two", None, str)}
    with pytest.raises(RuntimeError):
        bench.measure(chosen, ["one", "two"], tmp_path / "kept.json", {}, run)
    kept = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    assert kept["one"] == [1, 2]
    assert kept["machine"]["cores"] >= 1
    assert "## One" in capsys.readouterr().out
    bench.measure(chosen, ["one", "two"], tmp_path / "kept.json", kept, run)
    assert asked == ["one", "two", "two"], "what is kept is not measured again"
    assert "## One" in capsys.readouterr().out
    assert json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))["two"] == [1, 2]


def test_each_part_runs_in_a_process_of_its_own_and_is_kept(tmp_path: Path) -> None:
    """An hour is no part of a quick run: its list of rows is empty."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "hour", "--results", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "## An hour" in said
    assert json.loads((tmp_path / "quick.json").read_text(encoding="utf-8"))["hour"] == []


RUN = {"first": 0.5, "duration": 10.0, "wall": 0.9, "own": 0.8, "children": 0.3, "peak": 1.1e9}
LENGTHS = [
    {"seconds": 10, "height": 720, "words": "given", "runs": [RUN, RUN | {"wall": 0.7}, RUN]},
    {"seconds": 60, "height": 1080, "words": "given", "runs": [RUN | {"first": 1.62, "wall": 3.0}]},
    {"seconds": 60, "height": 1080, "words": "heard", "runs": [RUN | {"first": 9.0, "peak": 2e9}]},
]
AGAINST = {"seconds": 30, "height": 720, "straightforward": [{"wall": 9.0}], "fv2es": [{"wall": 1.0}]}


def test_aims_are_held_against_what_was_measured() -> None:
    told = page.aims({"lengths": LENGTHS, "straightforward": [AGAINST]})
    assert "| 0.50 s–1.62 s | not 60 s at 1080p (1.62 s) |" in told
    assert "| 0.090 | not 10 s at 720p (0.090) |" in told
    assert "| 1.10 GB | yes |" in told
    assert "| 9.0 | yes |" in told
    real = AGAINST | {"clip": "real 1", "straightforward": [{"wall": 3.0}]}
    told = page.aims({"lengths": LENGTHS, "straightforward": [AGAINST | {"clip": "made-up"}, real]})
    assert "| 3.0–9.0 | not real 1, 30 s at 720p (3.0) |" in told


def test_a_page_is_brought_up_to_date_where_there_are_results() -> None:
    old = "Before\n\n<!-- measured: lengths -->\n| old |\n|---|\n\nBetween\n\n<!-- measured: forms -->\n| old |\n"
    new, kept = page.renewed(old, {"lengths": LENGTHS[:1], "hour": LENGTHS[1:2]})
    assert kept == ["forms"]
    assert new.startswith("Before\n\n<!-- measured: lengths -->\n| clip | words |")
    assert "| 10 s, 720p |" in new
    assert "| 60 s, 1080p |" in new
    assert new.endswith(" |\n\nBetween\n\n<!-- measured: forms -->\n| old |\n")


def test_every_table_of_the_page_can_be_made_again() -> None:
    names = [name for _, name in page.PLACE.findall((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))]
    assert len(names) >= 9
    assert set(names) <= set(page.reports())
