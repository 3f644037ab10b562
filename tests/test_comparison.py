"""The tables: operations by hand, samples as serving makes them, short cuts equal to the plain way, right cells."""

import csv
import io
import json
import shutil
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import shades, tone, write_clip
from oracles import LetterTokenizer, shake, tiny_v2em
from PIL import Image
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from fv2es import cli, hub
from fv2es.cli.compare import choose, parse_parts
from fv2es.comparison import ablation, cost, quality, samples, tables
from fv2es.comparison.clips import Clip, on_clips, read_clips
from fv2es.comparison.document import qualities
from fv2es.comparison.published import SECONDS, SIZES
from fv2es.comparison.samples import FIT, MEASURE, draw, face_utterance, only, read_parts
from fv2es.data.ferplus import CLASSES
from fv2es.data.manifest import Row
from fv2es.emotions import MOSEI
from fv2es.evaluation import evaluate, row_extractor
from fv2es.modalities.faces import Detection
from fv2es.models import registry
from fv2es.models.blocks.fusion import BayesFusion
from fv2es.models.inputs import InputConfig
from fv2es.models.multimodal import MultimodalModel
from fv2es.reader import Reader
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Prediction, Span, Transcript, Utterance

ROOT = Path(__file__).resolve().parents[1]
EACH = 2  # samples of each label in every corpus of the made-up data folder
THRESHOLDS = dict(zip(MOSEI, (0.45, 0.5, 0.4, 0.55, 0.5, 0.6), strict=True))
EMODB = [label for label in CLASSES if label != "surprise"]  # as in the real corpus


# A data folder in the layout of the shared one.


def write_table(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0], delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writeheader()
        writer.writerows(rows)


def write_faces(folder: Path) -> None:
    votes = {"anger": "v_angry", "disgust": "v_disgust", "fear": "v_fear", "happy": "v_happy", "sad": "v_sad",
             "surprise": "v_surprise", "neutral": "v_neutral"}  # fmt: skip
    others = ("v_contempt", "v_unknown", "v_notface")
    rng, rows = np.random.default_rng(0), []
    with_archive = folder / "fer2013plus.tar.gz"
    folder.mkdir(parents=True)
    with tarfile.open(with_archive, "w:gz") as tar:
        for number, label in enumerate([*CLASSES * EACH, "happy", "happy"]):
            name = f"fer{number}.webp"
            stream = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(stream, "WEBP", lossless=True)
            entry = tarfile.TarInfo(name)
            entry.size = stream.tell()
            tar.addfile(entry, io.BytesIO(stream.getvalue()))
            row = {"file": name, "label": "angry" if label == "anger" else label, "split": "valid", "majority": "1"}
            row |= dict.fromkeys((*votes.values(), *others), 0) | {votes[label]: 9, "dup_crosses_split": "0"}
            rows.append(row)
    rows[-1]["majority"] = "0"
    rows[-2]["split"] = "train"
    write_table(folder / "fer2013plus.tsv", rows)


def write_speech(folder: Path) -> None:
    rows = []
    for corpus, labels in (("ravdess", CLASSES), ("emodb", EMODB)):
        for number, label in enumerate(labels * EACH):
            file = f"{corpus}/{number}.wav"
            rows.append({"id": number, "file": file, "label": label, "speaker": f"{corpus}-0{number % 2}",
                         "split": "valid"})  # fmt: skip
            (folder / corpus).mkdir(parents=True, exist_ok=True)
            write_clip(folder / file, tone(0.5 + 0.02 * number, 150 + 20 * number), codecs=("pcm_s16le", ""))
    write_table(folder / "index.tsv", [*rows, {**rows[0], "label": "unknown"}, {**rows[0], "split": "train"}])


def write_texts(folder: Path) -> None:
    for corpus in ("goemotions", "meld"):
        names = [{"anger": "angry"}.get(label, label) for label in CLASSES * EACH]
        labels = [*names, "happy,surprise"] if corpus == "goemotions" else names
        write_table(
            folder / corpus / "valid.tsv",
            [{"id": n, "text": f'{corpus} "{label}" {"!" * n}', "labels": label, "raw_label": label, "dialogue": "",
              "speaker": ""} for n, label in enumerate(labels)],
        )  # fmt: skip


def write_video(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_clip(folder / "quiet.mp4", tone(1.0), shades(20))
    write_clip(folder / "other.mp4", tone(1.0), shades(5))
    write_table(
        folder / "index.tsv", [{"file": "quiet.mp4", "label": "angry"}, {"file": "other.mp4", "label": "unknown"}]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_faces(data / "faces")
    write_speech(data / "speech")
    write_texts(data / "text")
    write_video(data / "video")
    return data


@pytest.fixture(scope="module")
def parts(folder):
    return read_parts(folder)


class MiddleFinder:
    """Finds a face in the middle of every picture."""

    def find(self, frames, near=None):
        return [[Detection((16.0, 8.0, 48.0, 40.0), 1.0)] for _ in frames]


def pooled(emotions=MOSEI):
    """The miniature, fused as the compact models are, with a calibration that is not the identity."""
    model = shake(tiny_v2em(emotions))
    model.fusion = BayesFusion(3, len(emotions))
    with torch.no_grad():
        model.fusion.slope.copy_(torch.tensor([1.0, 0.5, 0.8]))
        model.fusion.shift.uniform_(-0.5, 0.5)
    model.calibration.scale.uniform_(0.5, 1.5)
    model.calibration.bias.uniform_(-0.5, 0.5)
    return model.eval()


class Joint(MultimodalModel):
    """What several modalities say together is more than what their logits say."""

    def forward(self, batch):
        output = super().forward(batch)
        several = output.present.sum(1, keepdim=True)
        return replace(output, logits=output.logits * several - output.present[:, :1].float())


def reader_of(model, name: str = "mine") -> Reader:
    thresholds = np.array(list(THRESHOLDS.values()))
    checkpoint = hub.Checkpoint(name, Path(), "tiny", MOSEI, thresholds, {"sha256": "ab" * 32, "name": name})
    return Reader(checkpoint, model, LetterTokenizer())


@pytest.fixture(scope="module")
def answers(parts) -> quality.Answers:
    torch.manual_seed(0)
    return quality.read_all(reader_of(pooled()), parts, quiet)[0]


@pytest.fixture(scope="module")
def reader(answers) -> Reader:
    return answers.reader


@pytest.fixture(scope="module")
def joint(parts) -> quality.Answers:
    """Of a model whose modalities are read jointly."""
    torch.manual_seed(0)
    model = pooled()
    model.__class__ = Joint
    return quality.read_all(reader_of(model, "joint"), parts, quiet)[0]


def quiet(line: str) -> None:
    """Nobody watches."""


# What a model costs.


class Recurrent(nn.Module):
    inputs = InputConfig()

    def __init__(self, kind=nn.LSTM, packed: bool = False) -> None:
        super().__init__()
        self.layer = kind(32, 8, 2, batch_first=True, bidirectional=True)
        self.packed = packed

    def forward(self, batch):
        items = batch.pieces[:, 0]  # 10 sequences of 32 steps of 32 numbers
        counts = torch.tensor([32] * 9 + [12])
        self.layer(pack_padded_sequence(items, counts, batch_first=True) if self.packed else items)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
@pytest.mark.parametrize(("packed", "steps"), [(False, 320), (True, 300)])
def test_products_inside_recurrent_layers_count(kind, gates, packed, steps):
    # a step: gates × width × (input + width), in both directions; the second layer's input is both directions' output
    by_hand = steps * 2 * gates * 8 * ((32 + 8) + (16 + 8))
    assert cost.operations(Recurrent(kind, packed).eval()) == by_hand


class Attentive(nn.Module):
    inputs = InputConfig()

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, batch):
        self.layer(batch.pieces[:, 0])
        self.conv(batch.faces)


def test_products_inside_attention_and_convolutions_count():
    attention = 10 * (4 * 32 * 32 * 32 + 2 * 32 * 32 * 32 + 2 * 32 * 32 * 64)
    convolution = 5 * 48 * 48 * 5 * 3 * 9
    assert cost.operations(Attentive().eval()) == attention + convolution
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled


def test_late_fusion_with_lstms_by_hand():
    def lstm(steps: int) -> int:
        return steps * 2 * 4 * 128 * ((128 + 128) + (256 + 128))

    embed = 5 * 48 * 48 * 128 + 10 * 32 * 128 * 128  # faces, spectrogram columns; tokens are looked up
    read = lstm(5) + lstm(320) + lstm(20)
    out = 3 * 256 * 6
    counted = cost.operations(cost.ready("lf-lstm"))
    assert counted == pytest.approx(embed + read + out, rel=1e-3)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    counts = cost.parameters(name)
    assert counts["total"] == sum(count for key, count in counts.items() if key != "total")
    for modality, published in zip(MODALITIES, SIZES[name], strict=True):
        assert counts[modality] / 1e6 == pytest.approx(published, abs=0.006 if published != 101.99 else 0.52)


def test_models_take_turns():
    turns = []

    class Noted(nn.Module):
        inputs = InputConfig()

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, batch):
            turns.append((self.name, len(batch)))

    taken = cost.take_turns({"a": Noted("a"), "b": Noted("b")}, repeats=2, batch=3)
    assert turns == [("a", 3), ("b", 3)] * 3
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 2, "b": 2}


def test_speeds_are_medians_and_their_ratio_to_the_baseline():
    found = cost.speeds({"fe2e": [2.0, 4.0, 9.0], "other": [1.0, 8.0, 6.0]})
    assert found["fe2e"] == {"median": 4.0, "least": 2.0, "most": 9.0, "ratio": 1.0, "each": [2.0, 4.0, 9.0]}
    assert (found["other"]["median"], found["other"]["ratio"]) == (6.0, 1.5)


# Samples.


def test_parts_are_what_the_folder_holds(parts):
    assert [part.name for part in parts] == [
        "face/FER+", "voice/RAVDESS", "voice/EmoDB", "words/GoEmotions", "words/MELD"
    ]  # fmt: skip
    assert [len(part.utterances) for part in parts] == [7 * EACH, 7 * EACH, 6 * EACH, 7 * EACH + 1, 7 * EACH]
    for part in parts:
        assert part.truth.shape == (len(part.utterances), 6)
        assert {one.modalities for one in part.utterances} == {(part.modality,)}
    labels = [CLASSES.index(name) for name in EMODB * EACH]
    assert np.array_equal(parts[2].truth, np.array(labels)[:, None] == np.arange(6))
    assert parts[3].truth[-1].tolist() == [False, False, False, True, False, True]
    assert '"happy"' in parts[3].utterances[3].transcript.text


def test_faces_are_those_of_serving(tmp_path, parts):
    """The short way over arrays and the plain way over files give the same pixels."""
    pixels = parts[0].utterances[0].faces[0].pixels
    Image.fromarray(pixels[..., 0]).save(tmp_path / "face.png")
    (served,) = row_extractor((FACE,))(Row(1, "face", tmp_path / "face.png")).faces
    assert np.array_equal(served.pixels, pixels)


def test_parts_score_as_evaluate_scores_files(tmp_path, folder, parts, reader):
    rows = []
    for number, (utterance, truth) in enumerate(zip(parts[0].utterances, parts[0].truth, strict=True)):
        Image.fromarray(utterance.faces[0].pixels).save(tmp_path / f"{number}.png")
        labels = tuple(name for name, there in zip(MOSEI, truth, strict=True) if there)
        rows.append(Row(number + 1, str(number), tmp_path / f"{number}.png", labels=labels))
    plain = evaluate(rows, reader, (FACE,)).report
    _, reports = quality.read_all(
        reader,
        parts[:1] + [replace(one, utterances=one.utterances[:1], truth=one.truth[:1]) for one in parts[1:]],
        quiet,
    )
    assert reports["face/FER+"]["single_label"] == plain["single_label"]
    for name in MOSEI:
        assert reports["face/FER+"]["per_emotion"][name] == pytest.approx(plain["per_emotion"][name], abs=1e-3)


def test_only_leaves_what_may_be_seen(parts):
    pseudo = draw(parts, MEASURE, 14)
    (whole, *_) = pseudo.utterances(quality.joined(parts), MODALITIES)
    assert whole.modalities == MODALITIES
    for subset in quality.SUBSETS:
        assert only(whole, subset).modalities == tuple(name for name in MODALITIES if name in subset)
    assert len(only(whole, (FACE, WORDS)).waveform) == 0


def test_pseudo_utterances_are_of_one_label_and_of_their_own_rows(parts):
    for half in (FIT, MEASURE):
        pseudo = draw(parts, half, 70)
        assert np.bincount(pseudo.labels).tolist() == [10] * 7
        assert (pseudo.rows % 2 == half).all()
        for column, name in enumerate(MODALITIES):
            truth = np.concatenate([part.truth for part in parts if part.modality == name])
            assert np.array_equal(truth[pseudo.rows[:, column]], pseudo.truth)
    assert np.array_equal(draw(parts, FIT, 70).rows, draw(parts, FIT, 70).rows)


def test_a_label_that_a_modality_lacks_is_named(parts):
    lacking = [replace(part, truth=part.truth & (np.arange(6) != 2)) if part.modality == VOICE else part
               for part in parts]  # fmt: skip
    with pytest.raises(ValueError, match="the voice lacks fear"):
        draw(lacking, FIT)


# Quality.


def test_order_and_batches_change_nothing(parts, reader, monkeypatch):
    mixed = [one for part in parts for one in part.utterances[:3]]
    monkeypatch.setattr(quality, "BATCH", 4)
    together = quality.predict_all(reader, mixed)
    alone = np.stack([reader.predict([one])[0].logits for one in mixed])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(alone - alone[0]).max() > 1e-2


def test_logits_put_together_are_those_of_utterances_read_whole(parts, answers):
    pseudo = draw(parts, MEASURE, 7)
    assert quality.independent(answers.reader.model)
    for subset in quality.SUBSETS:
        read = quality.predict_all(answers.reader, list(pseudo.utterances(quality.joined(parts), subset)))
        assert np.abs(quality.combine(answers, pseudo, subset) - read).max() < 1e-5, subset


def test_a_model_that_reads_jointly_is_shown_the_utterances(parts, joint, monkeypatch):
    monkeypatch.setattr(quality, "READ_JOINTLY", 7)
    pseudo = draw(parts, MEASURE, 28)
    found = quality.on_pseudo(joint, pseudo, parts, quiet)
    assert (found["n"], found["put_together"]) == (7, False)
    shown = list(pseudo.first(7).utterances(quality.joined(parts), MODALITIES))
    names = [*MOSEI, "neutral"]
    plain = evaluate(
        [Row(n, str(n), labels=(names[label],)) for n, label in enumerate(pseudo.labels[:7])],
        joint.reader,
        extract=lambda row: shown[row.line],
    ).report
    assert found["subsets"]["face+voice+words"]["single_label"]["confusion"] == plain["single_label"]["confusion"]
    assert found["subsets"]["face"]["n"] == 7


def test_ablations_recombine_networks(parts, answers, joint):
    fit, measure = draw(parts, FIT, 70), draw(parts, MEASURE, 70)

    def called(name: str, **logits: np.ndarray) -> ablation.Networks:
        own = quality.Answers(reader_of(answers.reader.model, name), {**answers.logits, **logits})
        return ablation.Networks(own, own)

    rows = ablation.recombine([called("mine"), called("twin")], "twin", parts, fit, measure)
    assert [(row["face"], row["voice"], row["words"]) for row in rows] == [
        ("mine", "mine", "twin"), ("mine", "twin", "twin"), ("twin", "mine", "twin"), ("twin", "twin", "twin")
    ]  # fmt: skip
    assert [row["subsets"] for row in rows] == [rows[0]["subsets"]] * 4
    assert sum(rows[0]["fusion"].values()) == pytest.approx(1, abs=1e-3)
    other = called("other", face=-answers.logits[FACE])
    changed = ablation.recombine([called("mine"), other], "mine", parts, fit, measure)
    assert [row["subsets"] == rows[0]["subsets"] for row in changed] == [True, True, False, False]


def test_fusion_is_fitted_on_worn_inputs_too_and_nothing_else_is(parts, answers):
    fit, measure = draw(parts, FIT, 70), draw(parts, MEASURE, 70)
    right = np.concatenate([part.truth for part in parts if part.modality == FACE]) * 6.0 - 3
    sharp = quality.Answers(answers.reader, {**answers.logits, FACE: right})
    (plain,) = ablation.recombine([ablation.Networks(answers, answers)], "mine", parts, fit, measure)
    (changed,) = ablation.recombine([ablation.Networks(answers, sharp)], "mine", parts, fit, measure)
    assert changed["fusion"]["face"] > plain["fusion"]["face"] + 0.05
    for name in MODALITIES:
        assert plain["subsets"][name] == changed["subsets"][name]


def test_only_models_that_come_apart_are_recombined(answers, joint):
    assert ablation.separable([answers.reader, joint.reader, answers.reader]) == [answers.reader] * 2
    assert ablation.separable([answers.reader, joint.reader]) == []


def test_worn_samples_are_of_the_same_people(parts):
    for part in parts:
        bad = samples.worn(part)
        assert bad.truth is part.truth
        assert [one.modalities for one in bad.utterances] == [(part.modality,)] * len(part.utterances)
    face, mel = samples.worn(parts[0]).utterances[0].faces[0].pixels, samples.worn(parts[1]).utterances[0].mel
    assert face.shape == (48, 48, 3)
    assert not np.array_equal(face, parts[0].utterances[0].faces[0].pixels)
    assert mel.dtype == np.float32
    told = replace(parts[3], utterances=tuple(map(samples.word_utterance, ["So, what NOW?", "!!!"])))
    heard = [one.transcript.text for one in samples.worn(told).utterances]
    assert set(heard[0].split()) <= {"so", "what", "now"}
    assert heard[1] == "!!!"


def test_networks_are_freed_of_their_calibration(parts, answers):
    plain = pooled()
    plain.load_state_dict(answers.reader.model.state_dict())
    plain.calibration.scale.fill_(1)
    plain.calibration.bias.fill_(0)
    raw = ablation._raw(answers)
    for name in MODALITIES:
        (part, *_) = [part for part in parts if part.modality == name]
        logits = quality.predict_all(reader_of(plain), part.utterances)
        assert np.abs(raw[name][: len(logits)] - logits).max() < 1e-5


# Clips.


class Parrot:
    """Reads what the words say; the face is always happy, the voice nothing at all."""

    emotions, thresholds = MOSEI, np.full(6, 0.4)

    def predict(self, utterances, attention=False):
        return [Prediction(self.logits(one), {}) for one in utterances]

    def logits(self, one):
        logits = np.full(6, -2.0, np.float32)
        for name in one.transcript.text.split() or (["happy"] if one.faces else []):
            logits[MOSEI.index(name)] = 2
        return logits


def test_clips_are_answered_by_each_modality_and_by_all():
    face = face_utterance(np.zeros((48, 48), np.uint8)).faces
    mel = np.ones((128, 40), np.float32)
    sad = Transcript("sad", "subtitles")
    clips = [
        Clip("one.mp4", "sad", (Utterance(Span(0, 1), face, mel=mel, transcript=sad), Utterance(Span(1, 2), face))),
        Clip("two.mp4", "neutral", (Utterance(Span(0, 1), mel=mel), Utterance(Span(1, 2), mel=mel))),
        Clip("three.mp4", "happy", ()),
    ]
    found = on_clips(Parrot(), clips)
    assert [row["answers"] for row in found["rows"]] == [
        {"face": "happy", "voice": "neutral", "words": "sad", "fused": "happy"},
        {"face": None, "voice": "neutral", "words": None, "fused": "neutral"},
        {"face": None, "voice": None, "words": None, "fused": None},
    ]
    assert found["right"] == {"face": 0, "voice": 1, "words": 1, "fused": 1}
    assert found["answered"] == {"face": 1, "voice": 2, "words": 1, "fused": 2}
    assert (found["rows"][0]["words"], found["rows"][0]["words_from"]) == ("sad", ["subtitles"])


def test_the_labelled_clips_are_read_as_analyse_reads_them(folder):
    (clip,) = read_clips(folder / "video", quiet, "none", MiddleFinder())
    assert (clip.file, clip.label) == ("quiet.mp4", "anger")
    assert [one.modalities for one in clip.utterances] == [(FACE,)]


def test_what_the_index_says_was_said_is_believed(tmp_path, examples):
    """Where it says nothing, a recogniser is asked."""
    shutil.copy(examples[0], tmp_path / "talk.mp4")
    row = {"file": "talk.mp4", "label": "neutral", "transcript": "bin blue now"}
    write_table(tmp_path / "index.tsv", [row, row | {"transcript": ""}])
    told, asked = read_clips(tmp_path, quiet, "none", MiddleFinder())
    assert {(one.transcript.text, one.transcript.source) for one in told.utterances} == {("bin blue now", "typed")}
    assert told.utterances
    assert not any(one.transcript for one in asked.utterances)


# The whole command.


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """Two checkpoints of the miniature, which can be loaded."""
    registry.list_models()
    monkeypatch.setitem(registry._BUILDERS, "tiny", pooled)
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path / "shelf"))
    monkeypatch.setattr("fv2es.reader._tokenizer", lambda *_: LetterTokenizer())
    monkeypatch.setattr("fv2es.comparison.clips.FaceFinder", MiddleFinder)
    monkeypatch.setattr("fv2es.comparison.document.draw", partial(draw, count=70))
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        hub.save(pooled(), tmp_path / "shelf" / name, {"name": name, "architecture": "tiny", "thresholds": THRESHOLDS})
    return tmp_path / "shelf"


def test_the_command_writes_tables_figures_and_json(folder, shelf, tmp_path, capsys):
    arguments = ["compare", "first", "second", "--parts", "quality,sizes", "--data", str(folder), "--speech", "none"]
    status = cli.main([*arguments, "--out", str(tmp_path / "drawn"), "--json", str(tmp_path / "all.json")])
    said = capsys.readouterr()
    assert status == 0, said.err
    document = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in document["models"]] == ["tiny"]
    assert [one["name"] for one in document["checkpoints"]] == ["first", "second"]
    assert len(document["ablations"]) == 4
    assert document["checkpoints"][0]["clips"]["answered"] == {"face": 1, "voice": 0, "words": 0, "fused": 1}
    for heading in ("Sizes and operations", "Quality on", "Together", "Labelled clips: `second`", "Ablations"):
        assert f"## {heading}" in said.out
    assert "Speed" not in said.out
    assert "second: words/MELD read" in said.err
    drawn = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert drawn == {f"confusion-{name}.{ending}" for name in ("first", "second") for ending in ("png", "svg")}
    shares = document["checkpoints"][1]["parts"]["voice/EmoDB"]["per_emotion"]["surprise"]
    assert (shares["f1"], shares["positives"]) == (None, 0)
    assert_documented(document)


def assert_documented(document: dict) -> None:
    """The keys are those of the example in docs/json.md, where the checkpoint's card says all it may."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    example = json.loads(text.split("python -m fv2es compare --json")[1].split("```")[1].removeprefix("json"))
    assert document.keys() == example.keys()
    (ours, *_), (theirs, *_) = document["checkpoints"], example["checkpoints"]
    assert ours.keys() == theirs.keys() - {"version", "licence", "trained_on"}
    for key in ("parts", "pseudo_utterances", "half_silent", "clips"):
        assert ours[key].keys() == theirs[key].keys()
    assert ours["clips"]["rows"][0].keys() == theirs["clips"]["rows"][0].keys()
    assert document["ablations"][0].keys() == example["ablations"][0].keys()
    assert document["models"][0].keys() == example["models"][0].keys() - {"seconds"}
    assert example["models"][0]["seconds"].keys() == cost.speeds({"fe2e": [1.0]})["fe2e"].keys()


def test_speed_comes_with_the_baseline(shelf, monkeypatch, capsys):
    monkeypatch.setattr(cost, "BASELINE", "tiny")
    monkeypatch.setattr(cost, "take_turns", lambda models, *_: {name: [1.0, 3.0] for name in models})
    assert cli.main(["compare", "lf-lstm", "--parts", "speed"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("| `tiny` | 2.00 | 1.00–3.00 | 1.00 |") < printed.index("| `lf-lstm` | 2.00 |")
    assert "GMAC" not in printed


def test_json_on_standard_output_is_nothing_else(shelf, capsys):
    assert cli.main(["compare", "first", "--parts", "sizes", "--json", "-"]) == 0
    said = capsys.readouterr()
    (model,) = json.loads(said.out)["models"]
    assert model["parameters"] == {**pooled().parameter_counts(), "total": sum(pooled().parameter_counts().values())}
    assert "## Sizes" in said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--parts", "sizes,beauty"], "--parts takes some of sizes, speed, quality"),
        (["--data", "nowhere"], "There is no data folder nowhere"),
        (["--parts", "speed", "--device", "quantum"], "There is no device 'quantum' here."),
        (["nobody", "--parts", "sizes"], "'nobody' is neither a model nor a checkpoint"),
        (["lf-lstm", "--parts", "quality", "--data", "."], "None of these has trained weights"),
        (["--json", "nowhere/all.json"], "there is no folder nowhere"),
    ],
)
def test_what_is_wrong_is_said_first(shelf, capsys, arguments, sentence):
    assert cli.main(["compare", *arguments]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_folder_without_its_parts_is_a_sentence(shelf, tmp_path, capsys):
    assert cli.main(["compare", "--parts", "quality", "--data", str(tmp_path)]) == 2
    assert "fer2013plus.tsv" in capsys.readouterr().err


def test_names_are_models_checkpoints_or_both(shelf):
    assert choose(["second", "lf-lstm"]) == (["tiny", "lf-lstm"], ["second"])
    models, checkpoints = choose([])
    assert "tiny" in models
    assert checkpoints == ["first", "second"]
    assert parse_parts("speed, sizes") == ("sizes", "speed")


def test_nothing_trained_is_no_error(tmp_path, monkeypatch, folder, capsys):
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path))
    assert qualities([], folder, quiet) == {"checkpoints": [], "ablations": []}


# Tables.


def test_a_table_is_one():
    assert tables.table(("a", "b"), [["x|y", "1"]]) == "| a | b |\n|---|---:|\n| x/y | 1 |"


@pytest.mark.parametrize(("value", "shown"), [(0.8724, ".872"), (1.0, "1.000"), (0.0, ".000"), (None, "–")])
def test_figures(value, shown):
    assert tables.figure(value) == shown


def test_published_figures_stand_beside_ours():
    counts = {"face": 10_713_734, "voice": 14_380_550, "words": 11_688_198, "fusion": 3, "total": 36_782_485}
    seconds = {"median": 15.0, "least": 14.0, "most": 19.0, "ratio": 1.0}
    fe2e = {"name": "fe2e", "parameters": counts, "multiplications": 12_600_000_000, "seconds": seconds}
    assert "| `fe2e` | 10.71 | 14.38 | 11.69 | 0.00 | 36.78 | 10.71 / 14.38 / 11.69 | 12.60 |" in tables.sizes([fe2e])
    v2em = {"name": "v2em", "seconds": seconds | {"ratio": 6.57}}
    row = tables.speeds([fe2e, v2em]).splitlines()[-1]
    assert row == "| `v2em` | 15.00 | 14.00–19.00 | 6.57 | 0.48 | 0.79 | 0.48 | 0.79 |"
    assert all("fe2e" in column for column in SECONDS.values())


def test_right_answers_are_bold():
    rows = [{"file": "a.mp4", "label": "sad", "words": "so", "words_from": ["whisper"],
             "answers": {"face": "sad", "voice": "anger", "words": None, "fused": "sad"}}]  # fmt: skip
    counts = {"face": 1, "voice": 0, "words": 0, "fused": 1}
    shown = tables.clips({"rows": rows, "right": counts, "answered": counts | {"voice": 1}})
    assert "| clip | label | words (from) |" in shown
    assert "| `a.mp4` | sad | so (whisper) | **sad** | anger | – | **sad** |" in shown
    assert shown.endswith("| right |  |  | 1 of 1 | 0 of 1 | 0 of 0 | 1 of 1 |")


def test_ablations_are_named_as_in_the_papers(parts):
    found = {"single_label": {"accuracy": 0.5}, "average": {"f1": 0.25}}
    row = {
        "face": "x",
        "voice": "y",
        "words": "x",
        "subsets": {"face": found, "words": found, "face+voice+words": found},
    }
    made = [{"name": "x", "architecture": "fe2e-compact"}, {"name": "y", "architecture": "v2em-compact"}]
    shown = tables.ablations([row], made)
    assert "| V(VGG) + A(nested) | `x` | `y` | .500 | .500 | .250 |" in shown


# The shipped weights and the real data.


@pytest.mark.data
@pytest.mark.slow
def test_figures_of_the_card_are_found_again(data, monkeypatch):
    """Those of the smaller corpora; the others are not even read."""
    from fv2es.reader import load_reader

    monkeypatch.setattr(samples, "SPEECH", {"emodb": "EmoDB"})
    monkeypatch.setattr(samples, "TEXT", {"meld": "MELD"})
    reader, parts = load_reader(), [*samples._voices(data), *samples._words(data)]
    assert [part.name for part in parts] == ["voice/EmoDB", "words/MELD"]
    for part in parts:
        found = quality._report(reader, part.truth, quality.predict_all(reader, part.utterances), (part.modality,))
        card = reader.checkpoint.config["metrics"][part.name]
        assert found["n"] == card["n"]
        for name in ("accuracy", "macro_recall", "macro_f1"):
            ours, theirs = found["single_label"][name], card["single_label"][name]
            assert ours == pytest.approx(theirs, abs=0.004), part.name
