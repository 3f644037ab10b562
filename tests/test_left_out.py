"""Who is left out takes no part: no speaker, and where asked no sentence, is both learnt from and answered."""

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest
from made_up_packs import write_wav

from fv2es.schema import SAMPLE_RATE

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SAID = {"en": ("Dogs.", "Kids."), "de": ("Der Lappen.", "Das will sie.", "Heute abend.")}
SPEAKERS = {
    "en": [f"ravdess-{number:02}" for number in (2, 7, 11, 13)],
    "de": ["emodb-03", "emodb-08", "emodb-11", "emodb-12"],
}


@pytest.fixture(scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("tools.left_out")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Every speaker says every sentence with every label."""
    made = []
    for language, speakers in SPEAKERS.items():
        for speaker in speakers:
            for said in SAID[language]:
                made += [
                    {"label": label, "speaker": speaker, "language": language, "transcript": said, "split": "train"}
                    for label in LABELS
                ]
    return [{"file": f"{number}.wav", **row} for number, row in enumerate(made)]


def test_every_speaker_is_left_out_once(tool, rows):
    answered = []
    for _, learnt, parts in tool.folds_of(rows, 3, sentences=False):
        assert {row["speaker"] for row in learnt}.isdisjoint(row["speaker"] for row in parts["all sentences"])
        assert len(learnt) + len(parts["all sentences"]) == len(rows)
        answered += parts["all sentences"]
    assert sorted(row["file"] for row in answered) == sorted(row["file"] for row in rows)


def test_sentences_are_learnt_from_or_others(tool, rows):
    counts = {"other sentences": 0, "sentences learnt from": 0}
    for _, learnt, parts in tool.folds_of(rows, 3, sentences=True):
        said = {row["transcript"] for row in learnt}
        assert {row["language"] for row in learnt} == {"en", "de"}
        assert {row["speaker"] for row in learnt}.isdisjoint(row["speaker"] for part in parts.values() for row in part)
        assert said.isdisjoint(row["transcript"] for row in parts["other sentences"])
        assert said.issuperset(row["transcript"] for row in parts["sentences learnt from"])
        for name, part in parts.items():
            counts[name] += len(part)
    assert counts == {"other sentences": len(rows), "sentences learnt from": len(rows)}


def test_the_command_trains_and_answers(tool, rows, tmp_path, capsys):
    """Labels are tones, and one epoch is too little to tell them; how well they are learnt is others' to test."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "speech"
    folder.mkdir(parents=True)
    with (folder / "index.tsv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.DictWriter(lines, list(rows[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    times = np.arange(round(0.8 * SAMPLE_RATE)) / SAMPLE_RATE
    for row in rows:
        tone = np.sin(2 * np.pi * 200 * 1.5 ** LABELS.index(row["label"]) * times)
        write_wav(folder / row["file"], 0.8, (3000 * tone + 100 * rng.normal(size=len(times))).astype(np.int16))
    asked = [str(tmp_path / "data"), "--folds", "2", "--run", str(tmp_path / "run"), "--epochs", "1"]
    tool.main(tool.parser().parse_args([*asked, "--network", "fe2e-compact"]))
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| all")]
    assert [(what, heard) for what, heard, *_ in lines] == [
        ("all sentences", name) for name in ("functionals", "network", "mean of both")
    ]
    for *_, ravdess, emodb, plain in lines:
        assert plain == "–"
        for recall, loss in (figures.split(", ") for figures in (ravdess, emodb)):
            assert 0 <= float(recall) <= 1 < float(loss) < 3
    answered = list((tmp_path / "run").glob("*/answered/index.tsv"))
    assert sum(len(index.read_text(encoding="utf-8").splitlines()) - 1 for index in answered) == len(rows)
