"""What wears a validation part out changes its items and nothing else."""

import numpy as np

from fv2es.data.ferplus import Faces
from fv2es.data.speech import Clip
from fv2es.data.texts import Sentence
from fv2es.training.wear import MISHEARD, worn_clips, worn_faces, worn_sentences


def test_faces_are_others_and_still_pictures():
    rng = np.random.default_rng(0)
    one = np.clip(rng.normal(120, 30, (8, 48, 48)), 0, 255).astype(np.uint8)
    clean = Faces(one, np.eye(7, dtype=np.float32), np.arange(8) % 7, np.ones(8, bool))
    worn = worn_faces(clean)
    assert worn.pixels.shape == one.shape
    assert worn.pixels.dtype == np.uint8
    assert (worn.pixels != one).any((1, 2)).all()
    assert np.array_equal(worn.label, clean.label)
    assert np.array_equal(worn.pixels, worn_faces(clean).pixels), "the same every time"


def test_clips_keep_their_label():
    mel = np.random.default_rng(0).gamma(1.0, size=(128, 90)).astype(np.float32)
    clips = [Clip(mel, 3, "emodb-03"), Clip(mel, 6, "ravdess-02")]
    worn = worn_clips(clips)
    assert [(clip.label, clip.corpus) for clip in worn] == [(3, "emodb"), (6, "ravdess")]
    assert all(clip.mel.shape[0] == 128 and not np.array_equal(clip.mel, mel) for clip in worn)
    assert np.array_equal(worn[0].mel, worn_clips(clips)[0].mel)


def test_words_get_lost_and_mixed_up():
    text = "Well, this is one of the LONGER sentences; isn't it? " * 20
    clean = [Sentence(text, ("happy",), (), "meld"), Sentence("Oh!", (), (), "meld")] * 20
    worn = worn_sentences(clean)
    assert [one.labels for one in worn] == [one.labels for one in clean]
    said, heard = text.split(), worn[0].text.split()
    assert abs(len(heard) / len(said) - (1 - MISHEARD / 2)) < 0.07
    assert not any(mark in worn[0].text for mark in ",;?")
    assert worn[0].text == worn[0].text.lower()
    assert "isn't" in worn[0].text
    assert all(one.text for one in worn), "something is always heard"
