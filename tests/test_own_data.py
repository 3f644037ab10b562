"""Clips of one's own as a pack (tools/pack.py, docs/data.md)."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import shades, tone, write_clip
from PIL import Image

from fv2es.data.manifest import ManifestError, read_manifest
from fv2es.data.packs import SOURCE, open_pack, utterance
from fv2es.modalities.faces import CROP

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT))
    try:
        yield importlib.import_module("tools.pack")
    finally:
        sys.path.remove(str(ROOT))


class NoFaces:
    def find(self, frames, near=None):
        return [[] for _ in frames]


def write_manifests(folder: Path, first: str) -> list[Path]:
    header = "file\tstart\tend\ttext\tlabels\n"
    paths = [folder / f"{split}.tsv" for split in ("train", "valid", "test")]
    for path, rows in zip(paths, (first, "clip.mp4\t\t\tHm.\tneutral\n", "\t\t\tWords alone.\tsad\n"), strict=True):
        path.write_text(header + rows, encoding="utf-8")
    return paths


def test_rows_become_utterances_of_a_pack(tool, tmp_path):
    write_clip(tmp_path / "clip.mp4", tone(3), shades(30, 96, 128))
    rows = "clip.mp4\t0.5\t2\tOh, wonderful!\thappy,surprise\nclip.mp4\t2\t\tNo.\tanger\n"
    tool.main(write_manifests(tmp_path, rows), tmp_path / "pack")
    pack = open_pack(tmp_path / "pack")
    first, second = pack.items("train")
    assert (first.labels, first.text) == (("happy", "surprise"), "Oh, wonderful!")
    assert (second.labels, second.text) == (("anger",), "No.")
    assert [len(one.frames) for one in (first, second)] == [3, 2]
    seen = utterance(first, NoFaces())
    assert len(seen.waveform) == pytest.approx(1.5 * 16_000, abs=400)
    assert np.abs(seen.waveform).max() > 0.05
    assert seen.modalities == ("voice", "words")
    (valid,), (test,) = pack.items("valid"), pack.items("test")
    assert valid.labels == ()
    assert (test.frames, test.sound, test.labels) == ((), None, ("sad",))


def test_faces_that_are_cut_out_need_not_be_found(tool, tmp_path):
    Image.new("L", (48, 40), 90).save(tmp_path / "face.png")
    write_clip(tmp_path / "clip.mp4", tone(1), shades(10))
    tool.main(write_manifests(tmp_path, "face.png\t\t\t\thappy\n"), tmp_path / "pack")
    (item,) = open_pack(tmp_path / "pack").items("train")
    (face,) = utterance(item, NoFaces()).faces
    assert face.pixels.shape == (CROP, CROP, 3)
    assert face.pixels.mean() == pytest.approx(90, abs=2)


def test_a_pack_says_whose_it_is(tool, tmp_path):
    write_clip(tmp_path / "clip.mp4", tone(3), shades(30))
    tool.main(write_manifests(tmp_path, "clip.mp4\t\t\t\thappy\n"), tmp_path / "pack")
    assert open_pack(tmp_path / "pack").source == "own clips"
    (tmp_path / "pack" / SOURCE).write_text("\ufeffMy\x07 corpus \nand more", encoding="utf-8")
    assert open_pack(tmp_path / "pack").source == "My corpus"


def test_a_manifest_without_labels_makes_no_pack(tool, tmp_path):
    paths = write_manifests(tmp_path, "")
    paths[0].write_text("file\tlabel\nclip.mp4\thappy\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="only label"):
        tool.main(paths, tmp_path / "pack")


def test_what_cannot_be_read_is_said(tool, tmp_path):
    write_clip(tmp_path / "clip.mp4", tone(1), shades(10))
    with pytest.raises(ManifestError, match=r"Line 2 of train\.tsv"):
        tool.main(write_manifests(tmp_path, "clip.mp4\tnow\t\t\thappy\n"), tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_a_row_that_cannot_be_read_costs_itself_only(tool, tmp_path):
    write_clip(tmp_path / "clip.mp4", tone(1), shades(10))
    (tmp_path / "bad.mp4").write_text("no clip", encoding="utf-8")
    rows = "".join(f"{name}.mp4\t\t\t\thappy\n" for name in ("clip", "bad", "gone"))
    told = tool.main(write_manifests(tmp_path, rows), tmp_path / "pack")
    assert [sentence.partition(":")[0] for sentence in told] == [f"line {n} (line {n} of train.tsv)" for n in (3, 4)]
    assert [item.id for item in open_pack(tmp_path / "pack").items("train")] == ["train_2"]


def test_the_command_says_what_is_wrong_in_a_sentence(tmp_path):
    def asked(*arguments: object) -> str:
        command = [sys.executable, "-m", "tools.pack", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode
        return done.stderr

    assert "the following arguments are required" in asked("train.tsv")
    said = asked("train.tsv", "valid.tsv", "test.tsv", tmp_path / "pack")
    assert "No such file" in said
    assert "Traceback" not in said


def test_a_pack_that_is_there_is_not_mixed_with_another(tool, tmp_path):
    write_clip(tmp_path / "clip.mp4", tone(1), shades(10))
    paths = write_manifests(tmp_path, "clip.mp4\t\t\t\thappy\n")
    tool.main(paths, tmp_path / "pack")
    with pytest.raises(FileExistsError):
        tool.main(paths, tmp_path / "pack")


def test_the_manifest_of_the_page_is_one(tmp_path):
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    table = page.partition("```\n")[2].partition("```")[0]
    (tmp_path / "manifest.tsv").write_text(table, encoding="utf-8")
    first, second, third = read_manifest(tmp_path / "manifest.tsv")
    assert (first.start, first.end, first.labels) == (12.4, 15.9, ("surprise",))
    assert second.labels == ("happy", "surprise")
    assert (third.start, third.end, third.text, third.labels) == (None, None, "", ())
