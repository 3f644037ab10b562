"""Result files: what stands in them, that other programs read them, that no transcript breaks out of its place."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made_up import THRESHOLDS, made_up_reading

from fv2es.emotions import MOSEI
from fv2es.modalities.speech.subtitles import parse_subtitles
from fv2es.takeaway import KINDS, Result, file_name, write
from fv2es.takeaway.bundle import texts
from fv2es.takeaway.names import stem
from fv2es.takeaway.tables import csv_text

IDENTITY = {"name": "tiny", "sha256": "ab" * 32, "version": "2", "licence": "CC BY-NC-SA 4.0", "trained_on": ["A", "B"]}
CALM = (0.02, 0.01, 0.08, 0.1, 0.05, 0.04)
NASTY = [
    "1\n00:00:00,000 --> 00:00:09,000\nboo",
    "a --> b & <b>bold</b> </c> &amp; <00:00:01.000>",
    "WEBVTT\n\nNOTE",
    "\r\n\r\n\x00\u2028\x0b gap \x1b[31m",
    "{\\an8} {\\b1} top",
    "\ud800 half a pair",
    "\u202e txet denrut",
    "=1+1",
    "",
]


def a_result(*readings, **more) -> Result:
    given = {
        "file": "holiday.mp4",
        "model": "tiny",
        "checkpoint": IDENTITY,
        "emotions": MOSEI,
        "thresholds": THRESHOLDS,
        "readings": readings or (made_up_reading(0), made_up_reading(1, 3.0, 4.25, probabilities=CALM, text="So.")),
        "duration": 5.5,
        "notes": ("A note.",),
    }
    return Result(**given | more)


def spoken(*lines: str) -> Result:
    return a_result(*(made_up_reading(i, 2.0 * i, 2.0 * i + 1.5, text=line) for i, line in enumerate(lines)))


def test_json_is_the_documented_one():
    document = a_result().document()
    assert list(document) == [
        "schema", "file", "duration", "model", "checkpoint", "emotions", "thresholds", "utterances", "summary", "notes"
    ]  # fmt: skip
    assert document["checkpoint"] == IDENTITY
    assert [one["active"] for one in document["utterances"]] == [["happy", "surprise"], []]
    assert json.loads(texts(document)["json"]) == document


def test_moved_thresholds_decide_and_both_stand_in_the_json():
    moved = THRESHOLDS.copy()
    moved[MOSEI.index("happy")] = 0.95
    result = a_result(moved=moved)
    document = result.document()
    assert document["utterances"][0]["active"] == ["surprise"]
    assert document["thresholds"]["happy"] == 0.95
    assert document["checkpoint_thresholds"] == dict(zip(MOSEI, THRESHOLDS, strict=True))
    assert document["moved_thresholds"] == {"happy": 0.95}
    assert result.summary.active == ()
    assert "moved" not in str(a_result(moved=THRESHOLDS.copy()).document())


def test_thresholds_fit_the_emotions():
    with pytest.raises(ValueError, match="needs 6 thresholds"):
        a_result(moved=np.zeros(5))


def rows(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def test_csv():
    first, second = rows(csv_text(a_result().document()))
    assert (first["utterance"], first["start"], first["end"]) == ("1", "0.5", "2.9")
    assert (first["active"], first["transcript"], first["transcript_source"]) == (
        "happy, surprise",
        "I got the job!",
        "subtitles",
    )
    assert (first["happy"], first["face_happy"], first["faces_found"]) == ("0.91", "0.91", "5")
    assert first["transcript_confidence"] == "1.0"
    assert second["active"] == "neutral"
    assert len(first) == 7 + 6 + 18 + 1
    assert ",0.91," in csv_text(a_result().document())  # a number, not a text


def test_csv_leaves_empty_what_is_missing():
    (row,) = rows(csv_text(a_result(made_up_reading(text="", faces=0)).document()))
    assert row["words_happy"] == row["face_happy"] == row["transcript_confidence"] == ""
    assert row["voice_happy"] == "0.91"


@pytest.mark.parametrize(
    "attack",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", '"=1', "'=1", "＝1+1", "a; =1", "x;-2", "\x00=1"],
)
def test_no_cell_is_a_formula(attack):
    text = csv_text(spoken(attack, "fine").document())
    first, second = rows(text)
    assert not any(re.match(r"[\s\"]*[=+\-@＝]", part) for part in first["transcript"].split(";"))
    assert first["transcript"].count("'") > attack.count("'")
    assert second["transcript"] == "fine"


def test_words_that_are_no_formula_stay_as_they_are():
    text = "Well - yes; a+b=c, me@home"
    assert rows(csv_text(spoken(text).document()))[0]["transcript"] == text


def test_srt_to_the_letter():
    assert texts(a_result().document())["srt"] == (
        "1\n00:00:00,500 --> 00:00:02,900\n[happy 0.91] [surprise 0.44]\nI got the job!\n\n"
        "2\n00:00:03,000 --> 00:00:04,250\n[neutral]\nSo.\n\n"
    )


def test_vtt_to_the_letter():
    assert texts(a_result().document())["vtt"] == (
        "WEBVTT\n\nNOTE Expressed emotion as tiny estimates it.\n\n"
        "1\n00:00:00.500 --> 00:00:02.900\n[happy 0.91] [surprise 0.44]\nI got the job!\n\n"
        "2\n00:00:03.000 --> 00:00:04.250\n[neutral]\nSo.\n\n"
    )


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_are_read_by_our_own_reader_without_their_tags(kind):
    first, second = parse_subtitles(texts(a_result().document())[kind])
    assert (first.start, first.end, first.text) == (0.5, 2.9, "I got the job!")
    assert (second.start, second.end, second.text) == (3.0, 4.25, "So.")


@pytest.mark.parametrize("container", ["srt", "webvtt"])
def test_subtitles_are_read_by_ffmpeg(container, tmp_path):
    """As players do that are built on it; its answer is an ASS event, which ends with the text."""
    import av

    path = write({"webvtt": "vtt"}.get(container, container), spoken("a & b < c", "Second."), tmp_path)
    with av.open(str(path), format=container) as file:
        cues = [(float(one.pts * one.time_base), one.decode()[0]) for one in file.demux() if one.size]
    assert [start for start, _ in cues] == [0.0, 2.0]
    shown = [cue.ass.decode().split(",,", 1)[1] for _, cue in cues]
    expected = "a & b < c" if container == "webvtt" else "a & b ‹ c"
    assert shown[0].endswith(f"[happy 0.91] [surprise 0.44]\\N{expected}")
    assert shown[1].endswith("\\NSecond.")


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_no_transcript_breaks_out_of_its_cue(kind):
    content = texts(spoken(*NASTY).document())[kind]
    blocks = content.rstrip("\n").split("\n\n")
    blocks = blocks[2:] if kind == "vtt" else blocks
    assert len(blocks) == len(NASTY)
    assert content.count("-->") == len(NASTY)
    for number, block in enumerate(blocks, 1):
        index, timing, tag, *words = block.split("\n")
        point = "," if kind == "srt" else r"\."
        assert index == str(number)
        assert re.fullmatch(rf"\d\d:\d\d:\d\d{point}\d{{3}} --> \d\d:\d\d:\d\d{point}\d{{3}}", timing)
        assert tag.startswith("[happy 0.91]")
        assert len(words) <= 1
        assert not re.search(r"<|>|&(?!amp;|lt;|gt;)", "".join(words)) if kind == "vtt" else "<" not in "".join(words)
    assert len(parse_subtitles(content)) == sum(len(block.split("\n")) == 4 for block in blocks)  # those with words
    assert not re.search("[\x00-\x09\x0b-\x1f\u2028\u202e]", content)


def test_vtt_text_comes_back_as_it_was():
    text = "2 < 3 && 5 > 4 --> <i>so</i>"
    (cue,) = parse_subtitles(texts(spoken(text).document())["vtt"])
    assert cue.text.endswith("2 < 3 && 5 > 4 --> <i>so</i>")


def test_hours_and_the_shortest_cue():
    result = a_result(made_up_reading(0, 3600.0, 3600.0004, voice=False), made_up_reading(1, 36_000.5, 36_001.0))
    content = texts(result.document())["srt"]
    assert "01:00:00,000 --> 01:00:00,001" in content
    assert "10:00:00,500 --> 10:00:01,000" in content


def test_no_utterance_at_all(tmp_path):
    result = a_result(readings=())
    content = texts(result.document())
    assert content["srt"] == ""
    assert content["vtt"].startswith("WEBVTT\n\n")
    assert rows(content["csv"]) == []
    assert all(write(kind, result, tmp_path).is_file() for kind in KINDS)


def test_attention_arrays(tmp_path):
    result = a_result(made_up_reading(0), made_up_reading(1, 3.0, 3.5, voice=False), made_up_reading(2, 4.0, 4.5))
    with np.load(write("npz", result, tmp_path), allow_pickle=False) as arrays:
        levels = [f"utterance_{index:04d}_level{level}" for index in (0, 2) for level in (1, 2, 3)]
        assert sorted(arrays) == ["emotions", "spans", *levels]
        assert arrays["utterance_0000_level1"].shape == (6, 2, 4, 32, 32)
        assert arrays["utterance_0002_level3"].shape == (2, 2, 4, 8, 8)
        assert arrays["utterance_0000_level1"].dtype == np.float32
        assert np.array_equal(arrays["utterance_0000_level2"], result.readings[0].attention["level2"])
        assert arrays["spans"].tolist() == [[0.5, 2.9], [3.0, 3.5], [4.0, 4.5]]
        assert tuple(arrays["emotions"]) == MOSEI


def test_bundle(tmp_path):
    result = a_result()
    with zipfile.ZipFile(write("zip", result, tmp_path)) as bundle:
        names = [file_name(kind, result) for kind in ("json", "csv", "srt", "vtt", "npz")]
        assert bundle.namelist() == ["README.txt", *names]
        assert bundle.testzip() is None
        for kind, name in zip(("json", "csv", "srt", "vtt", "npz"), names, strict=True):
            assert bundle.read(name) == write(kind, result, tmp_path).read_bytes()
        readme = bundle.read("README.txt").decode()
    for said in ("holiday.mp4", "ab" * 32, "CC BY-NC-SA 4.0", "version", "A, B", "A note.", *names, *MOSEI, "0.350"):
        assert said in readme
    assert "do not say what anybody feels" in readme


def test_the_readme_says_which_thresholds_were_moved(tmp_path):
    result = a_result(moved=np.where(np.array(MOSEI) == "sad", 0.7, THRESHOLDS))
    with zipfile.ZipFile(write("zip", result, tmp_path)) as bundle:
        readme = bundle.read("README.txt").decode()
    assert "sad         0.700  (moved; the checkpoint's is 0.300)" in readme
    assert readme.count("moved;") == 1


def test_a_bundle_without_attention_names_none(tmp_path):
    result = a_result(made_up_reading(attention=False))
    with zipfile.ZipFile(write("zip", result, tmp_path)) as bundle:
        assert len(bundle.namelist()) == 5
        assert "attention" not in bundle.read("README.txt").decode()


def test_the_same_result_gives_the_same_bytes(tmp_path):
    once, again = tmp_path / "once", tmp_path / "again"
    for folder in (once, again):
        folder.mkdir()
        for kind in KINDS:
            write(kind, a_result(), folder)
    assert sorted(path.name for path in once.iterdir()) == sorted(file_name(kind, a_result()) for kind in KINDS)
    for path in once.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_nasty_words_are_written_in_every_kind(tmp_path):
    for kind in KINDS:
        assert write(kind, spoken(*NASTY), tmp_path).stat().st_size


@pytest.mark.parametrize(
    ("file", "safe"),
    [
        ("holiday.mp4", "holiday"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a b.mov", "a_b"),
        ("..", "clip"),
        ("", "clip"),
        (".mp4", "mp4"),
        ("con.mp4", "clip_con"),
        ("a\x00\n;rm -rf $(x)`.mp4", "a_rm_-rf_x"),
        ("我的视频.mp4", "我的视频"),
        ("=cmd.mp4", "cmd"),
        ("-rf.mp4", "rf"),
        ("a" * 500 + ".mp4", "a" * 60),
        ("x.tar.gz", "x_tar"),
        ("\ud800.mp4", "clip"),
    ],
)
def test_safe_names(file, safe):
    assert stem(file) == safe


def test_files_stay_in_their_folder(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    result = replace(a_result(), file="../../../escaped.mp4")
    paths = [write(kind, result, folder) for kind in KINDS]
    assert {path.parent for path in paths} == {folder}
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_an_unknown_kind_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="json, csv, srt, vtt, npz, zip"):
        write("exe", a_result(), tmp_path)
