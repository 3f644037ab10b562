"""What is validated on is not learnt from: no photograph of FER+ twice, no scene in two transcripts."""

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from fv2es.data import ferplus, texts
from fv2es.data.ferplus import CLASSES, near_copies

COLUMNS = ["id", "text", "labels", "raw_label", "dialogue", "speaker"]


def faces(count: int, seed: int = 0) -> np.ndarray:
    """(count, 48, 48), each smooth, and unlike the others."""
    rng = np.random.default_rng(seed)
    coarse = [Image.fromarray(rng.integers(0, 256, (6, 6)).astype(np.uint8)) for _ in range(count)]
    return np.stack([np.asarray(one.resize((48, 48), Image.Resampling.BICUBIC)) for one in coarse])


def marked(picture: np.ndarray) -> np.ndarray:
    """The same photograph, darker, cropped by a pixel on the left, with a watermark."""
    again = np.asarray(Image.fromarray(picture[:, 1:]).resize((48, 48), Image.Resampling.BICUBIC)) * 0.8
    again[42:44, 5:30] = 200
    return again.astype(np.uint8)


def test_the_same_photograph_is_known_again():
    learnt = faces(40)
    again = np.stack([marked(one) for one in learnt[:5]])
    assert near_copies(np.concatenate([again, again[..., ::-1]]), learnt).all(), "and mirrored"
    assert not near_copies(faces(300, seed=1), learnt).any()
    assert near_copies(faces(3), np.zeros((0, 48, 48), np.uint8)).tolist() == [False] * 3


@pytest.fixture
def ferplus_folder(tmp_path):
    """Four pictures to learn from, and three to validate on, of which the second is the first of those."""
    learnt, others = faces(4), faces(3, seed=1)
    others[1] = marked(learnt[0])[:, ::-1]
    with (
        tarfile.open(tmp_path / "fer2013plus.tar.gz", "w:gz") as tar,
        (tmp_path / "fer2013plus.tsv").open("w", encoding="utf-8", newline="") as lines,
    ):
        table = csv.writer(lines, delimiter="\t", lineterminator="\n")
        votes = ["v_angry", "v_disgust", "v_fear", "v_happy", "v_sad", "v_surprise", "v_neutral"]
        table.writerow(
            ["file", "split", "label", "majority", "dup_crosses_split", *votes, "v_contempt", "v_unknown", "v_notface"]
        )
        for split, pictures in (("train", learnt), ("valid", others)):
            for number, picture in enumerate(pictures):
                name, stream = f"{split}-{number}.webp", io.BytesIO()
                Image.fromarray(picture).save(stream, "WEBP", lossless=True)
                entry = tarfile.TarInfo(name)
                entry.size = stream.tell()
                stream.seek(0)
                tar.addfile(entry, stream)
                table.writerow([name, split, "happy", 1, 0, *(9 if one == "v_happy" else 0 for one in votes), 0, 0, 0])
    return tmp_path


def test_faces_are_validated_on_pictures_that_nobody_learnt_from(ferplus_folder):
    assert len(ferplus.read(ferplus_folder, "train")) == 4
    for cache in (None, ferplus_folder, ferplus_folder):
        valid = ferplus.read(ferplus_folder, "valid", cache)
        np.testing.assert_array_equal(valid.pixels, faces(3, seed=1)[[0, 2]])
        assert valid.label.tolist() == [CLASSES.index("happy")] * 2


def write(folder, part: str, *lines: tuple[str, str]) -> None:
    path = folder / f"{part}.tsv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n", quotechar=None)
        table.writerow(COLUMNS)
        table.writerows((number, text, "happy", "joy", scene, "") for number, (text, scene) in enumerate(lines))


def test_no_scene_is_validated_on_that_was_learnt_from_in_another_transcript(tmp_path):
    write(
        tmp_path, "emorynlp/test", ("Oh , I did n't know that you'd come to see us !", "s1"), ("You are late .", "s1")
    )
    write(
        tmp_path,
        "meld/valid",
        ("Hello.", "a"),
        ("Oh\u2014I did n\u2019t know that you\u2019d come to see us.", "a"),
        ("You are late.", "b"),
        ("Nobody said this line of many words before.", "b"),
    )
    assert [one.text for one in texts.read(tmp_path, "meld/valid")] == [
        "You are late.",
        "Nobody said this line of many words before.",
    ], "all of the scene has gone, and what anybody says proves nothing"
    assert len(texts.read(tmp_path, "emorynlp/test")) == 2


def test_a_sentence_without_a_scene_stands_for_itself(tmp_path):
    write(tmp_path, "goemotions/train", ("What a lovely day this is today", ""))
    write(tmp_path, "goemotions/valid", ("what a lovely day this is today!", ""), ("What a day", ""))
    assert [one.text for one in texts.read(tmp_path, "goemotions/valid")] == ["What a day"]


def test_a_part_that_is_not_there_is_missed(tmp_path):
    with pytest.raises(FileNotFoundError):
        texts.read(tmp_path, "meld/valid")
