"""The command line, with a stand-in pipeline and reader: what is printed, written, and said when something is wrong."""

import json
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from fv2es import cli
from fv2es.atomic import atomic_file
from fv2es.cli import output
from fv2es.emotions import MOSEI
from fv2es.limits import Limits
from fv2es.media import MediaError
from fv2es.results import make_reading
from fv2es.schema import Prediction, Span, Transcript, Utterance

ROOT = Path(__file__).resolve().parents[1]
IDENTITY = {"name": "tiny", "sha256": "ab" * 32, "version": "1"}
CHECKPOINT = SimpleNamespace(identity=IDENTITY)
THRESHOLDS = np.full(6, 0.5)


class TinyReader:
    """Says happy where there are words with "good" in them, and nothing else."""

    emotions, thresholds, checkpoint = MOSEI, THRESHOLDS, CHECKPOINT

    def predict(self, utterances, attention=False):
        logits = np.full((len(utterances), 6), -3, np.float32)
        logits[["good" in one.transcript.text for one in utterances], MOSEI.index("happy")] = 2
        maps = {"level3": np.ones((2, 1, 4, 8, 8), np.float32)} if attention else None
        return [
            Prediction(row, {"words": row} if one.transcript else {}, maps)
            for row, one in zip(logits, utterances, strict=True)
        ]


@dataclass
class TinyAnalysis:
    """What `fv2es.pipeline.analyse` gives: an iterator with notes that grow while it runs."""

    asked: dict
    duration: float = 9.0
    expected: float | None = 8.0
    reader: TinyReader = field(default_factory=TinyReader)
    notes: list = field(default_factory=list)
    closed: bool = False
    error: BaseException | None = None

    def __iter__(self):
        for index, text in enumerate(["all good", "", "bad \x1b[31mred"]):
            utterance = Utterance(Span(2.0 * index, 2.0 * index + 1.5), transcript=Transcript(text, "subtitles"))
            (prediction,) = self.reader.predict([utterance], self.asked["attention"])
            yield make_reading(index, utterance, prediction, MOSEI, THRESHOLDS, {"vad": 0.1})
            if self.error:
                raise self.error
            if index == 1:
                self.notes.append("No face was found.")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


@pytest.fixture
def pipeline(monkeypatch):
    """Stands in for `fv2es.pipeline`; `started` lists the runs, `error` is raised after the first reading."""
    module = ModuleType("fv2es.pipeline")
    module.started, module.error, module.MediaError = [], None, MediaError

    def analyse(path, **options):
        if not Path(path).is_file():
            raise MediaError("There is no such file.")
        module.started.append(TinyAnalysis({"path": path, **options}, error=module.error))
        return module.started[-1]

    module.analyse = analyse
    monkeypatch.setitem(sys.modules, "fv2es.pipeline", module)
    return module


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not looked at here")
    return str(path)


def test_analyse_prints_a_line_per_utterance(pipeline, clip, capsys):
    assert cli.main(["analyse", clip]) == 0
    out, err = capsys.readouterr()
    first, second, third, average = out.splitlines()
    assert first.split() == ["0.00", "–", "1.50", "s", "happy", "0.88", "“all", "good”", "(subtitles)"]
    assert "neutral" in second
    assert second.endswith("(no words)")
    assert "\x1b" not in third
    assert average == "On average over 3 utterances: neutral."
    assert err == "Note: No face was found.\n"  # no bar where nobody watches
    (run,) = pipeline.started
    assert run.closed
    assert run.asked["limits"] == Limits.unlimited()
    assert (run.asked["speech"], run.asked["speaker"], run.asked["attention"]) == ("auto", "largest", False)


def test_analyse_hands_its_options_on(pipeline, clip):
    cli.main(["analyse", clip, "--model", "v2em", "--speech", "a.srt", "--speaker", "left"])
    asked = pipeline.started[0].asked
    assert (asked["reader"], asked["speech"], asked["speaker"]) == ("v2em", "a.srt", "left")


def test_analyse_writes_json(pipeline, clip, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("old")
    assert cli.main(["analyse", clip, "--json", str(out)]) == 0
    document = json.loads(out.read_text("utf-8"))
    assert (document["schema"], document["file"], document["duration"]) == (1, "clip.mp4", 9.0)
    assert document["checkpoint"] == IDENTITY
    assert [one["active"] for one in document["utterances"]] == [["happy"], [], []]
    assert document["utterances"][1]["modalities"]["words"] is None
    assert document["notes"] == ["No face was found."]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.json"]


def test_json_on_standard_output_is_all_there_is_on_it(pipeline, clip, capsys):
    assert cli.main(["analyse", clip, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["utterances"][0]["transcript"] == "all good"
    assert "all good" in err


def test_attention_file(pipeline, clip, tmp_path):
    out = tmp_path / "maps.npz"
    assert cli.main(["analyse", clip, "--attention", str(out)]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["emotions", "spans", *(f"utterance_000{i}_level3" for i in range(3))]
        assert arrays["utterance_0002_level3"].shape == (2, 1, 4, 8, 8)
        assert arrays["utterance_0002_level3"].dtype == np.float32
        assert arrays["spans"].tolist() == [[0, 1.5], [2, 3.5], [4, 5.5]]
        assert arrays["emotions"].tolist() == list(MOSEI)


def test_all_files_at_once(pipeline, tmp_path, monkeypatch, capsys):
    from conftest import shades, tone, write_clip

    write_clip(tmp_path / "clip.mp4", tone(1), shades(10))
    monkeypatch.chdir(tmp_path)
    targets = {name: f"out.{name}" for name in cli.files.FILES}
    given = [part for name, target in targets.items() for part in (f"--{name}", target)]
    assert cli.main(["analyse", "clip.mp4", *given]) == 0
    assert "Drawn: out.video" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["clip.mp4", *targets.values()])
    with zipfile.ZipFile("out.bundle") as bundle:
        names = ["clip.json", "clip.csv", "clip.srt", "clip.vtt", "clip-attention.npz"]
        assert bundle.namelist() == ["README.txt", *names]
        for name, kind in zip(names, ("json", "csv", "srt", "vtt", "attention"), strict=True):
            assert bundle.read(name) == Path(targets[kind]).read_bytes()
    assert Path("out.srt").read_text("utf-8").startswith("1\n00:00:00,000 --> 00:00:01,500\n[happy 0.88]\nall good\n")
    assert b"ftyp" in Path("out.video").read_bytes()[:12]


def test_attention_is_asked_for_where_a_bundle_is(pipeline, clip, tmp_path):
    assert cli.main(["analyse", clip, "--bundle", str(tmp_path / "out.zip")]) == 0
    assert pipeline.started[0].asked["attention"]


def test_a_clip_that_cannot_be_drawn(pipeline, clip, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert cli.main(["analyse", clip, "--video", str(out)]) == 2
    assert "could not be read as a video" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--video", "clip.mp4"], "--video clip.mp4 would be written over the clip."),
        (["--speech", "a.srt", "--srt", "./a.srt"], "--srt ./a.srt would be written over the subtitles."),
        (["--csv", "a", "--vtt", "a"], "--vtt a would be written over --csv."),
        (["--csv", "-"], "--csv needs the name of a file; only --json may write to standard output."),
    ],
)
def test_files_that_would_meet(pipeline, clip, monkeypatch, capsys, given, said):
    monkeypatch.chdir(Path(clip).parent)
    assert cli.main(["analyse", "clip.mp4", *given]) == 2
    assert capsys.readouterr().err == f"{said}\n"
    assert not pipeline.started


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("There are no\nweights."), 2, "There are no weights.\n"),
        (MediaError("Nothing could be decoded."), 2, "clip.mp4: Nothing could be decoded.\n"),
        (OSError(28, "No space left on device", "x"), 2, "x: No space left on device.\n"),
        (TypeError("oops"), 1, "Something went wrong inside (TypeError); --verbose tells more.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_run_that_fails_leaves_nothing_half_done(pipeline, clip, tmp_path, capsys, monkeypatch, error, status, said):
    pipeline.error = error
    monkeypatch.chdir(tmp_path)
    maps, out = tmp_path / "maps.npz", tmp_path / "out.json"
    maps.write_text("old")
    assert cli.main(["analyse", "clip.mp4", "--json", str(out), "--attention", str(maps)]) == status
    known, err = capsys.readouterr()
    assert err == said
    assert "all good" in known  # what is known stays
    assert pipeline.started[0].closed
    assert maps.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "maps.npz"]


def test_a_missing_clip(pipeline, capsys):
    assert cli.main(["analyse", "nowhere.mp4"]) == 2
    assert capsys.readouterr() == ("", "nowhere.mp4: There is no such file.\n")


@pytest.mark.parametrize("option", [f"--{name}" for name in cli.files.FILES])
def test_targets_are_looked_at_before_the_work(pipeline, clip, tmp_path, capsys, option):
    assert cli.main(["analyse", clip, option, str(tmp_path / "no" / "out")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert cli.main(["analyse", clip, option, str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert not pipeline.started


@pytest.mark.parametrize("arguments", [[], ["sing"], ["analyse"], ["analyse", "x", "--speaker", "up"], ["models", "x"]])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_train_hands_everything_on(monkeypatch):
    module = ModuleType("fv2es.training.main")
    module.main = lambda arguments: arguments == ["--help", "faces", "--epochs", "3"] and 7
    monkeypatch.setitem(sys.modules, "fv2es.training.main", module)
    assert cli.main(["train", "--help", "faces", "--epochs", "3"]) == 7


def test_help_imports_nothing_heavy():
    program = (
        "import sys, fv2es, fv2es.cli; fv2es.cli.build_parser().format_help();"
        "print([m for m in ('torch', 'gradio', 'av', 'transformers', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_the_module_runs_and_names_its_commands():
    done = subprocess.run([sys.executable, "-m", "fv2es", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert all(f"\n    {name} " in done.stdout for name in ("analyse", "models", "evaluate", "train"))


def test_a_reader_that_goes_away_ends_it_quietly():
    program = (
        "import sys\nfrom fv2es import cli\n"
        "def run(options):\n for _ in range(9999): print('x' * 99)\n"
        "cli.analyse.run = run\nsys.exit(cli.main(['analyse', 'x']))"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -n 1', sys.executable, program], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_lines_do_not_run_into_the_bar():
    terminal = Terminal()
    progress = output.Progress("s", terminal)
    assert "loading" in terminal.text
    progress.update(5.04, 10)
    assert "5.0 of 10" in terminal.text.rpartition("\r")[2]
    progress.say("a line", terminal)
    line = next(part for part in terminal.text.split("\r") if "a line" in part)
    assert line == "a line\n"
    assert "5.0 of 10" in terminal.text.rpartition("\r")[2]  # drawn again
    progress.update(50, 10)  # past the header's end
    assert "50 of 50" in terminal.text.rpartition("\r")[2]
    progress.update(51)
    assert "51 of ?" in terminal.text.rpartition("\r")[2]
    progress.close()
    progress.close()
    assert terminal.text.endswith("\r")
    assert not terminal.text.rsplit("\r", 2)[1].strip()


def test_the_bar_says_how_fast_it_goes_where_that_is_wanted():
    shown = []
    for rate in (True, False):
        terminal = Terminal()
        progress = output.Progress("files", terminal, rate)
        progress.update(0, 4)
        time.sleep(0.01)
        progress.update(2, 4)
        shown.append("files/s" in terminal.text.rpartition("\r")[2])
        progress.close()
    assert shown == [True, False]


def test_progress_is_silent_where_nobody_watches(capsys):
    progress = output.Progress("s")
    progress.update(1, 2)
    progress.say("a line", sys.stdout)
    progress.close()
    assert capsys.readouterr() == ("a line\n", "")


def test_atomic_file_through_a_link_and_to_a_device(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_file(tmp_path / "link") as stream:
        stream.write(b"new")
        assert (tmp_path / "real").read_text() == "old"
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    with atomic_file(os.devnull) as stream:
        stream.write(b"x")
    assert not Path(os.devnull).is_file()


def test_public_names():
    import fv2es

    assert set(fv2es.__all__) <= set(dir(fv2es))
    with pytest.raises(AttributeError, match="sing"):
        fv2es.sing  # noqa: B018
