"""A manifest through a reader: what each kind of row becomes, what is left out, and the command on real weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import shades, tone
from PIL import Image

from fv2es import cli
from fv2es.data.manifest import Row
from fv2es.data.speech import read_sound
from fv2es.emotions import MOSEI
from fv2es.evaluation import evaluate, parse_modalities, row_extractor, words_of
from fv2es.modalities.faces import Detection
from fv2es.modalities.spectrogram import mel_spectrogram
from fv2es.modalities.speech import make_transcriber
from fv2es.models.registry import list_models
from fv2es.schema import MODALITIES, SAMPLE_RATE, Prediction, Span, Transcript


class Finder:
    """A face in the left upper corner of every frame; counts the frames."""

    shown = 0

    def find(self, frames, near=None):
        self.shown += len(frames)
        return [[Detection((4.0, 4.0, 34.0, 34.0), 0.99)] for _ in frames]


class NoFinder:
    def find(self, frames, near=None):
        raise AssertionError("no face was to be looked for")


class EchoReader:
    """Says what the words name, and remembers what it was shown."""

    emotions, thresholds = MOSEI, np.full(6, 0.5)

    def __init__(self):
        self.batches = []

    def predict(self, utterances, attention=False):
        self.batches.append(list(utterances))
        return [
            Prediction(np.array([3.0 if name in one.transcript.text else -3.0 for name in MOSEI]), {})
            for one in utterances
        ]


def row(number, text="", labels=(), **more):
    return Row(number, f"row{number}", text=text, labels=labels, **more)


@pytest.mark.parametrize(
    ("letters", "names"), [("tav", MODALITIES), ("T", ("words",)), ("va", ("face", "voice")), (" a ", ("voice",))]
)
def test_letters(letters, names):
    assert parse_modalities(letters) == names


@pytest.mark.parametrize("letters", ["", "x", "tt", "face"])
def test_wrong_letters(letters):
    with pytest.raises(ValueError, match="letters of tav"):
        parse_modalities(letters)


@pytest.fixture
def video(clip):
    return clip("video.mp4", tone(4), shades(40, 96, 128))


def test_words_alone(tmp_path):
    extract = row_extractor(finder=NoFinder())
    assert extract(row(1, "so happy")).transcript == Transcript("so happy", "typed")
    assert extract(row(2)).modalities == ()
    nowhere = row(3, "so happy", file=tmp_path / "nowhere.mp4")
    assert row_extractor(("words",))(nowhere).modalities == ("words",)  # the file is not needed, so it is not opened
    with pytest.raises(ValueError, match="no such file"):
        extract(nowhere)


def test_words_of_subtitles_are_those_of_the_stretch(tmp_path):
    subtitles = tmp_path / "said.srt"
    subtitles.write_text(
        "1\n00:00:00,000 --> 00:00:02,000\nwhat a day\n\n2\n00:00:02,000 --> 00:00:04,000\nso sad\n", encoding="utf-8"
    )
    assert words_of(row(1, subtitles=subtitles)) == Transcript("what a day so sad", "subtitles")
    assert words_of(row(1, subtitles=subtitles, start=2.0, end=4.0)).text == "so sad"
    assert words_of(row(1, subtitles=subtitles, start=2.5)).text == "so sad"
    assert words_of(row(1, "typed", subtitles=subtitles)) == Transcript("typed", "typed")
    lost = row(1, subtitles=tmp_path / "gone.srt")
    result = evaluate([row(2, "so happy"), lost], EchoReader())
    assert [(one.row, one.why) for one in result.unreadable] == [(lost, "The subtitle file cannot be read.")]


def test_a_small_picture_is_a_face(tmp_path):
    path = tmp_path / "face.png"
    Image.new("L", (48, 48), 90).save(path)
    (face,) = row_extractor(finder=NoFinder())(row(1, file=path)).faces
    assert face.pixels.min() == face.pixels.max() == 90
    assert row_extractor(("voice",), NoFinder())(row(1, file=path)).modalities == ()


def test_a_large_picture_is_searched(tmp_path):
    path, finder = tmp_path / "people.png", Finder()
    Image.new("RGB", (300, 200)).save(path)
    extract = row_extractor(("face",), finder)
    assert extract(row(1, "hm", file=path)).modalities == ("face",)
    assert finder.shown == 1


def test_sound_becomes_what_training_made_of_it(clip):
    path = clip("voice.wav", tone(2) * np.linspace(0, 1, 2 * SAMPLE_RATE), codecs=("pcm_s16le", ""))
    whole = row_extractor(finder=NoFinder())(row(1, file=path))
    assert whole.modalities == ("voice",)
    np.testing.assert_array_equal(whole.mel, mel_spectrogram(read_sound(path)))
    alone = row_extractor(("voice",))(row(1, file=path))
    np.testing.assert_array_equal(alone.mel, whole.mel)
    part = row_extractor(("voice", "words"))(row(1, file=path, start=0.5, end=1.25))
    assert part.span == Span(0.5, 1.25)
    np.testing.assert_array_equal(part.waveform, read_sound(path)[8000:20000])
    tail = row_extractor()(row(1, file=path, start=1.5))
    np.testing.assert_array_equal(tail.waveform, read_sound(path)[24000:])


@pytest.mark.parametrize("modalities", [MODALITIES, ("face",), ("voice",), ("face", "words"), ("voice", "words")])
def test_a_video_gives_what_is_asked_for(video, modalities):
    finder = Finder()
    seen = row_extractor(modalities, finder)(row(1, "so sad", file=video, start=1.0, end=3.0))
    assert seen.modalities == modalities
    assert (finder.shown > 0) == ("face" in modalities)
    assert all(1 <= face.time < 3 for face in seen.faces)
    assert len(seen.waveform) == (2 * SAMPLE_RATE if "voice" in modalities else 0)


def test_every_prediction_goes_to_its_row():
    names = [*MOSEI, "", "sad", "happy", "", "fear"]
    rows = [row(i, name, (name,) if name else ()) for i, name in enumerate(names)]
    done = []
    result = evaluate(rows, EchoReader(), batch_size=4, progress=done.append)
    assert done == [4, 8, 11]
    assert (result.report["n"], result.report["empty"], result.report["skipped"]) == (11, 2, 0)
    assert result.report["single_label"]["accuracy"] == 1  # empty rows read as neutral, which they are
    assert result.report["per_emotion"]["sad"]["positives"] == 2
    assert result.report == evaluate(rows, EchoReader(), batch_size=64).report


def test_what_cannot_be_read_is_left_out_and_named(tmp_path):
    (tmp_path / "words.mp4").write_text("no video\n" * 99)
    rows = [
        row(1, "happy", ("happy",)),
        row(2, "happy", ("sad",), file=tmp_path / "words.mp4"),
        row(3, "", ("sad",)),
        row(4, "sad", ("sad",)),
    ]
    reader = EchoReader()
    result = evaluate(rows, reader)
    assert [(one.row.id, one.why[:21]) for one in result.unreadable] == [("row2", "This file could not b")]
    assert (result.report["n"], result.report["empty"], result.report["skipped"]) == (3, 1, 1)
    assert result.report["per_emotion"]["sad"]["positives"] == 2
    assert [one.transcript.text for one in reader.batches[0]] == ["happy", "sad"]  # nothing empty reaches the model


def test_a_stretch_behind_the_end_is_no_neutral_one(video, clip):
    rows = [row(1, "sad", ("sad",), file=video, start=100.0, end=110.0), row(2, "sad", ("sad",), file=video, start=1.0)]
    mute = clip("mute.mp4", None, shades(40, 96, 128))
    seen = row_extractor(("voice", "words"))(row(1, "sad", file=mute, start=1.0))
    assert seen.modalities == ("words",), "what has no sound has nothing before its stretch, either"
    for modalities in (MODALITIES, ("voice", "words")):
        result = evaluate(rows, EchoReader(), extract=row_extractor(modalities, Finder()))
        assert [one.why for one in result.unreadable] == ["Nothing of it lies behind 100 s, where its stretch begins."]
        assert result.report["n"] == 1


def test_an_error_of_ours_is_not_taken_for_a_bad_row():
    def broken(_):
        raise TypeError("oops")

    with pytest.raises(TypeError):
        evaluate([row(1)], EchoReader(), extract=broken)


def test_no_row_at_all_gives_no_figures():
    report = evaluate([], EchoReader()).report
    assert report["n"] == report["single_label"]["n"] == 0
    assert report["average"]["wacc"] is None


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """A folder with one checkpoint of the compact size and random weights."""
    import torch

    from fv2es import hub
    from fv2es.models.registry import create_model
    from fv2es.models.tokenizer import SubwordTokenizer

    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    model = create_model("v2em-compact")
    thresholds = dict.fromkeys(MOSEI, 0.5)
    hub.save(model, folder / "random", {"architecture": "v2em-compact", "thresholds": thresholds, "version": "0"})
    SubwordTokenizer.learn(["what a lovely day", "how sad this is"], 60, folder / "random" / model.inputs.tokenizer)
    return folder


@pytest.fixture
def random_weights(checkpoints, monkeypatch):
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(checkpoints))


def write_manifest(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(["id\tfile\tstart\tend\ttext\tlabels", *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_the_command_on_every_kind_of_row(random_weights, video, tmp_path, capsys):
    Image.new("L", (48, 48), 90).save(tmp_path / "face.png")
    rows = ["a\tvideo.mp4\t1\t2\tWhat a lovely day\thappy", "b\tface.png\t\t\t\tangry,sad", "c\t\t\t\thow sad\tsad",
            "d\tvideo.mp4\t\t\t\tneutral", "e\tlost.wav\t\t\tlovely\tsad", "f\t\t\t\t\t"]  # fmt: skip
    manifest, out = write_manifest(tmp_path / "rows.tsv", rows), tmp_path / "out.json"
    assert cli.main(["evaluate", manifest, "--model", "random", "--json", str(out)]) == 0
    said, lost = capsys.readouterr()
    assert lost.splitlines()[0] == f"e (line 6, {tmp_path / 'lost.wav'}): There is no such file."
    assert "1 of 6 rows" in lost
    assert "f (line 7): Nothing to read in it." in lost.splitlines()
    assert "5 utterances" in said
    report = json.loads(out.read_text())
    assert (report["n"], report["skipped"], report["empty"]) == (5, 1, 1)
    assert report["modalities"] == list(MODALITIES)
    assert report["per_emotion"]["sad"]["positives"] == 2
    assert set(report["average"]) == {"wacc", "accuracy", "f1", "f1_weighted", "auc", "positives"}
    assert report["single_label"]["n"] == 4
    assert np.sum(report["single_label"]["confusion"]) == 4


def test_the_command_where_nothing_can_be_read(random_weights, tmp_path, capsys):
    manifest = write_manifest(tmp_path / "rows.tsv", ["a\tnowhere.mp4\t\t\t\t", "b\tneither.wav\t\t\t\t"])
    assert cli.main(["evaluate", manifest, "--model", "random"]) == 2
    assert capsys.readouterr().err.endswith(f"Not one of the 2 rows of {manifest} could be read.\n")
    empty = write_manifest(tmp_path / "empty.tsv", ["a\t\t\t\tsad\tsad"])
    assert cli.main(["evaluate", empty, "--model", "random", "--modalities", "v"]) == 2
    assert capsys.readouterr().err.endswith(f"Not one row of {empty} has anything that random may read.\n")
    assert cli.main(["evaluate", write_manifest(tmp_path / "none.tsv", []), "--model", "random"]) == 2
    assert capsys.readouterr().err.endswith("none.tsv has no rows.\n")
    assert cli.main(["evaluate", manifest, "--model", "v2em"]) == 2
    assert "'v2em'" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path / "no.tsv")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'no.tsv'}: No such file or directory.\n"


def test_models_lists_what_is_here_and_what_could_be(random_weights, checkpoints, capsys, monkeypatch):
    monkeypatch.setattr("fv2es.cli.models.cached", lambda: iter(()))
    assert cli.main(["models", "--json"]) == 0
    models = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(models) == sorted(["random", *list_models()])
    assert {"v2em", "v2em-compact"} <= set(models)
    assert models["random"]["architecture"] == "v2em-compact"
    weights = models["random"]["weights"]
    file = checkpoints / "random" / "model.safetensors"
    assert (weights["status"], weights["path"], weights["bytes"]) == ("here", str(file.parent), file.stat().st_size)
    assert models["random"]["parameters"] == models["v2em-compact"]["parameters"]
    assert models["v2em"]["weights"] == models["v2em-compact"]["weights"] == {"status": "absent"}
    paper = models["v2em"]["parameters"]
    assert (paper["face"], paper["voice"], paper["words"]) == (7_721_862, 101_481_862, 11_688_198)
    assert paper["total"] == sum(value for name, value in paper.items() if name != "total")
    assert cli.main(["models"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("v2em ")]
    assert "101,481,862" in line
    assert line.endswith("none here")


def test_models_finds_checkpoints_in_the_cache_of_the_hub(checkpoints, tmp_path):
    from fv2es.cli.models import cached

    repository, commit = tmp_path / "models--somebody--v2em-mosei", "c0ffee" * 6 + "c0ff"
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    assert list(cached(tmp_path)) == []
    for file in ("config.json", "model.safetensors"):
        (folder / file).write_bytes((checkpoints / "random" / file).read_bytes())
    (tmp_path / "models--somebody--else" / "snapshots" / commit).mkdir(parents=True)
    (tmp_path / "models--somebody--else" / "snapshots" / commit / "config.json").write_text('{"model_type": "albert"}')
    (found,) = cached(tmp_path)
    assert found["name"] == found["weights"]["repository"] == f"somebody/v2em-mosei@{commit}"
    assert found["weights"]["status"] == "cached"
    assert list(cached(tmp_path / "nowhere")) == []


def test_analyse_where_nobody_speaks(random_weights, clip, tmp_path, capsys):
    out = tmp_path / "out.json"
    path = clip("tone.wav", tone(1), codecs=("pcm_s16le", ""))
    assert cli.main(["analyse", str(path), "--model", "random", "--speech", "none", "--json", str(out)]) == 0
    said, noted = capsys.readouterr()
    assert said == "No utterance was found.\n"
    assert noted.startswith("Note: Neither speech nor a face was found")
    document = json.loads(out.read_text("utf-8"))
    assert (document["utterances"], document["duration"], document["model"]) == ([], 1.0, "random")
    assert document["checkpoint"]["version"] == "0"
    assert document["summary"]["average"] == dict.fromkeys(MOSEI)


def test_figures_are_not_written_over_what_they_are_made_of(random_weights, tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(b"a sound")
    (tmp_path / "a.srt").write_bytes(b"some words")
    manifest = tmp_path / "rows.tsv"
    manifest.write_text("file\tsubtitles\tlabels\na.wav\ta.srt\tsad\n", encoding="utf-8")
    for target in (manifest, tmp_path / "a.wav", tmp_path / "a.srt"):
        before = target.read_bytes()
        assert cli.main(["evaluate", str(manifest), "--model", "random", "--json", str(target)]) == 2
        assert "would be written over the manifest or one of its files" in capsys.readouterr().err
        assert target.read_bytes() == before


def test_what_was_said_before_does_not_keep_a_new_note_from_being_said(random_weights, clip, monkeypatch, capsys):
    noted = make_transcriber("none")[0], ["Whisper is not here."]
    monkeypatch.setattr("fv2es.pipeline.make_transcriber", lambda *_, **__: noted)
    assert cli.main(["analyse", str(clip("tone.wav", tone(1), codecs=("pcm_s16le", ""))), "--model", "random"]) == 0
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Note: Whisper is not here.",
        "Note: Neither speech nor a face was found",
    ]


def test_analyse_a_picture(random_weights, tmp_path, capsys):
    Image.new("L", (48, 48), 90).save(tmp_path / "face.png")
    assert cli.main(["analyse", str(tmp_path / "face.png"), "--model", "random", "--speech", "none"]) == 0
    assert "On average over one utterance" in capsys.readouterr().out


def test_analyse_what_is_no_clip(random_weights, tmp_path, capsys):
    path = tmp_path / "words.mp4"
    path.write_text("no video\n" * 99)
    assert cli.main(["analyse", str(path), "--model", "random", "--speech", "none"]) == 2
    assert capsys.readouterr() == ("", f"{path}: This file could not be read as a video, a sound or a picture.\n")
