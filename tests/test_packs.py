"""The packs of Dai et al.: a tiny one of each corpus is made here, whole, with pieces missing, and hostile."""

import logging
import os
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from made_up_packs import SIDES, Finder, read_meta, write_meta, write_pack, write_split
from PIL import Image

from fv2es.data.manifest import Row
from fv2es.data.packs import SPLITS, PackError, open_pack, utterance
from fv2es.data.unpickle import RefusedPickle, load_plain, loads_plain
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.evaluation import evaluate
from fv2es.modalities.spectrogram import mel_spectrogram
from fv2es.schema import MODALITIES, SAMPLE_RATE, Prediction, Transcript

IEMOCAP_NAMES = {
    "train": {"Ses01F_impro01_F000": "ang", "Ses01F_impro01_M001": "exc", "Ses02M_script01_1_F003": "fru"},
    "valid": {"Ses05M_script01_1b_M009": "hap", "Ses03F_impro02_F010": "neu"},
    "test": {"Ses04M_impro07_M004": "sad"},
}
MOSEI_NAMES = {
    "train": {"-qDkUB0GgYY_5": [0, 0, 0, 1, 0, 0], "_aZDaIfGfPo_1": [1, 1, 0, 0, 0, 0], "101787_10": [0] * 6},
    "valid": {"N1X63d_jgmw_5": np.array([0, 0, 1, 0, 0, 1])},
    "test": {"a-WihYDk6vc_8": [0, 0, 0, 0, np.int64(1), 0]},
}


@pytest.fixture
def iemocap(tmp_path) -> Path:
    return write_pack(tmp_path, "IEMOCAP", IEMOCAP_NAMES)


@pytest.fixture
def mosei(tmp_path) -> Path:
    return write_pack(tmp_path, "MOSEI", MOSEI_NAMES)


def test_every_split_of_iemocap(iemocap):
    pack = open_pack(iemocap)
    assert pack.emotions == IEMOCAP
    got = {split: [(item.id, item.labels) for item in pack.items(split)] for split in SPLITS}
    assert got == {
        "train": [
            ("Ses01F_impro01_F000", ("anger",)),
            ("Ses01F_impro01_M001", ("excited",)),
            ("Ses02M_script01_1_F003", ("frustrated",)),
        ],
        "valid": [("Ses05M_script01_1b_M009", ("happy",)), ("Ses03F_impro02_F010", ("neutral",))],
        "test": [("Ses04M_impro07_M004", ("sad",))],
    }
    assert {split: pack.count(split) for split in SPLITS} == {"train": 3, "valid": 2, "test": 1}
    assert not any(pack.skipped.values())


def test_every_split_of_mosei(mosei):
    pack = open_pack(mosei, "MOSEI")
    assert pack.emotions == MOSEI
    assert [item.labels for item in pack.items("train")] == [("happy",), ("anger", "disgust"), ()]
    assert [item.labels for item in pack.items("valid")] == [("fear", "surprise")]
    (item,) = pack.items("test")
    assert (item.id, item.labels, item.text) == ("a-WihYDk6vc_8", ("sad",), "Said by a-WihYDk6vc_8.")
    assert [path.name for path in item.frames] == [f"image_{n}.jpg" for n in range(4)]
    assert item.sound is not None
    assert item.sound.name == "audio.wav"


def test_the_speaker_s_side(iemocap):
    sides = {
        item.id: {path.name.split("_")[1] for path in item.frames} | {item.sound.stem[-1]}
        for split in SPLITS
        for item in open_pack(iemocap).items(split)
    }
    assert sides == {
        "Ses01F_impro01_F000": {"L"},
        "Ses01F_impro01_M001": {"R"},
        "Ses02M_script01_1_F003": {"R"},
        "Ses05M_script01_1b_M009": {"L"},
        "Ses03F_impro02_F010": {"L"},
        "Ses04M_impro07_M004": {"L"},
    }


def test_pictures_are_in_the_order_of_their_numbers(iemocap):
    item = next(open_pack(iemocap).items("train"))
    assert [path.name for path in item.frames] == [f"image_L_{n}.jpg" for n in range(12)]


def test_what_a_model_sees(iemocap):
    item, finder = next(open_pack(iemocap).items("train")), Finder()
    seen = utterance(item, finder)
    assert seen.modalities == MODALITIES
    assert seen.transcript == Transcript("Said by Ses01F_impro01_F000.", "typed")
    assert (seen.span.start, seen.span.end) == (0.0, 1.0)
    np.testing.assert_allclose(seen.waveform, 6000 / 2**15, atol=1e-4)
    assert len(seen.waveform) == SAMPLE_RATE
    np.testing.assert_array_equal(seen.mel, mel_spectrogram(seen.waveform))
    assert len(seen.faces) == 5
    greys = [round(float(face.pixels.mean())) - SIDES["L"] for face in seen.faces]
    assert greys == sorted(set(greys))  # five pictures, in order, none of the other side
    assert greys == [int(face.time * 12) for face in seen.faces]  # spread over the sound


def test_few_pictures_are_each_looked_at_once(mosei):
    item, finder = next(open_pack(mosei).items("train")), Finder()
    seen = utterance(item, finder)
    assert len(seen.faces) == len(finder.frames) == 4


def test_what_is_missing_is_masked(mosei):
    folder = mosei / "MOSEI_RAW_PROCESSED"
    (folder / "-qDkUB0GgYY_5" / "audio.wav").unlink()
    for path in (folder / "_aZDaIfGfPo_1").glob("*.jpg"):
        path.unlink()
    for path in (folder / "101787_10").iterdir():
        path.unlink()
    meta = read_meta(mosei, "MOSEI")
    meta["_aZDaIfGfPo_1"]["text"] = "  "
    write_meta(mosei, "MOSEI", meta)
    seen = [utterance(item, Finder()).modalities for item in open_pack(mosei).items("train")]
    assert seen == [("face", "words"), ("voice",), ("words",)]


def test_a_damaged_file_is_named(mosei):
    item = next(open_pack(mosei).items("train"))
    item.frames[0].write_bytes(b"no picture " * 9)
    with pytest.raises(PackError, match=r"^-qDkUB0GgYY_5, image_0\.jpg: ") as caught:
        utterance(item, Finder())
    assert str(mosei) not in str(caught.value)
    item.sound.write_bytes(b"")
    with pytest.raises(PackError, match=r"^-qDkUB0GgYY_5, audio\.wav: This file is empty"):
        utterance(item, Finder())


def test_a_pack_is_evaluated_as_manifests_are(mosei):
    class Hopeful:
        emotions, thresholds = MOSEI, np.full(6, 0.5)

        def predict(self, utterances, attention=False):
            return [Prediction(np.where(np.array(MOSEI) == "happy", 3.0, -3.0), {}) for _ in utterances]

    items = list(open_pack(mosei).items("train"))
    items[2].sound.write_bytes(b"")
    rows = [Row(number, item.id, text=item.text, labels=item.labels) for number, item in enumerate(items)]
    result = evaluate(rows, Hopeful(), extract=lambda row: utterance(items[row.line], Finder()))
    assert (result.report["n"], result.report["skipped"]) == (2, 1)
    assert result.report["per_emotion"]["happy"]["positives"] == 1


def test_other_names_and_places_that_are_taken(tmp_path):
    write_pack(tmp_path, "IEMOCAP", IEMOCAP_NAMES)
    raw, name = tmp_path / "IEMOCAP_RAW_PROCESSED", "Ses04M_impro07_M004"
    folder = (raw / "Ses04M_impro07" / name).rename(raw / name)
    for path in folder.glob("*_[LR]*"):
        path.unlink()
    Image.new("RGB", (40, 32)).save(folder / "image_0.jpg")
    (tmp_path / "IEMOCAP_SPLIT").rename(tmp_path / "IEMOCAP_split")
    (tmp_path / "IEMOCAP_split" / "test_split.txt").rename(tmp_path / "IEMOCAP_split" / "test.txt")
    (item,) = open_pack(tmp_path).items("test")
    assert (len(item.frames), item.sound.name) == (1, "audio.wav")


def test_names_without_entry_or_folder_are_left_out_and_counted(mosei, caplog):
    known = list(MOSEI_NAMES["train"])
    write_split(mosei, "MOSEI", "train", ["unknown_1", *known, "unknown_2", "nowhere_1", known[0]])
    meta = read_meta(mosei, "MOSEI")
    write_meta(mosei, "MOSEI", meta | {"nowhere_1": meta[known[0]]})
    with caplog.at_level(logging.WARNING):
        pack = open_pack(mosei)
    assert [item.id for item in pack.items("train")] == known
    assert pack.skipped == {"train": 4, "valid": 0, "test": 0}
    assert [record.getMessage() for record in caplog.records] == [
        "MOSEI, train: 4 of 7 lines are left out (2 are not in meta.pkl, 1 have no folder, 1 are there twice)."
    ]


def test_blank_lines_bom_and_crlf(mosei):
    names = "\r\n".join(["", *MOSEI_NAMES["train"], "", ""])
    (mosei / "MOSEI_SPLIT" / "train_split.txt").write_bytes(b"\xef\xbb\xbf" + names.encode())
    pack = open_pack(mosei)
    assert (pack.count("train"), pack.skipped["train"]) == (3, 0)


def refusal(folder: Path, name: str | None = None) -> str:
    with pytest.raises(PackError) as caught:
        open_pack(folder, name)
    assert str(folder) not in str(caught.value)
    return str(caught.value)


def test_a_name_in_two_splits(mosei):
    write_split(mosei, "MOSEI", "test", ["a-WihYDk6vc_8", "N1X63d_jgmw_5"])
    assert refusal(mosei) == "N1X63d_jgmw_5 is in two splits, valid and test."


@pytest.mark.parametrize("name", ["../../etc", "..", "/etc", "a/b", "..\\x", "C:\\x", "C:x", "a\tb", "a\x00b", "x/"])
@pytest.mark.parametrize("prefix", ["MOSEI", "IEMOCAP"])
def test_names_that_lead_elsewhere(tmp_path, prefix, name):
    write_pack(tmp_path, prefix, {split: {} for split in SPLITS}, {name: {"text": "", "label": "ang"}})
    write_split(tmp_path, prefix, "train", [name])
    assert refusal(tmp_path).startswith(f"Line 1 of {prefix}_SPLIT/train_split.txt needs an utterance's name such as")


def write_bare(root: Path, prefix: str) -> Path:
    (root / f"{prefix}_RAW_PROCESSED").mkdir(parents=True)
    return root


def test_which_corpus(tmp_path):
    assert "it is empty" in refusal(tmp_path)
    assert "there is no such folder" in refusal(tmp_path / "none")
    (tmp_path / "notes.txt").touch()
    expected = "A folder IEMOCAP_RAW_PROCESSED or MOSEI_RAW_PROCESSED was expected in "
    assert refusal(tmp_path) == f"{expected}{tmp_path.name}; found: notes.txt."
    write_bare(write_bare(tmp_path, "IEMOCAP"), "MOSEI")
    assert refusal(tmp_path) == f"Several corpora are in {tmp_path.name}; say which: iemocap, mosei."
    assert refusal(tmp_path, "meld") == "There is no corpus 'meld'; known: iemocap, mosei."
    assert refusal(tmp_path, "mosei") == "MOSEI_RAW_PROCESSED/meta.pkl was expected; it is empty."


def test_pieces_that_are_missing(mosei):
    (mosei / "MOSEI_SPLIT" / "valid_split.txt").unlink()
    found = "found: test_split.txt, train_split.txt"
    assert refusal(mosei) == f"MOSEI_SPLIT/valid_split.txt was expected; {found}."
    for path in (mosei / "MOSEI_SPLIT").iterdir():
        path.unlink()
    (mosei / "MOSEI_SPLIT").rmdir()
    assert refusal(mosei) == "MOSEI_SPLIT/train_split.txt was expected; there is no such folder."


def test_a_split_of_which_nothing_is_there(mosei):
    write_split(mosei, "MOSEI", "test", ["x_1", "x_2"])
    assert refusal(mosei) == "MOSEI, test: none of 2 utterances can be used (2 are not in meta.pkl)."
    write_split(mosei, "MOSEI", "test", [])
    assert refusal(mosei) == "MOSEI, test: none of 0 utterances can be used."


def test_a_folder_with_other_files(mosei):
    folder = mosei / "MOSEI_RAW_PROCESSED" / "a-WihYDk6vc_8"
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(
        PackError, match=r"image_<n>\.jpg and audio\.wav were expected; found: other_audio\.wav, "
    ) as why:
        list(open_pack(mosei).items("test"))
    assert str(mosei) not in str(why.value)


def test_no_such_split(mosei):
    with pytest.raises(PackError, match="no split 'dev'; known: train, valid, test"):
        open_pack(mosei).items("dev")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"text": "", "label": [0, 1, 0]}, "a name or 6 values, .*; got 3 values"),
        ({"text": "", "label": np.zeros(7)}, "got 7 values"),
        ({"text": "", "label": np.zeros((1, 6))}, "got 1 values"),
        ({"text": "", "label": 3}, "got int"),
        ({"text": "", "label": None}, "got NoneType"),
        ({"text": "", "label": [0, 0, 2, 0, 0, 0]}, "0 or 1, got"),
        ({"text": "", "label": [0.5, 0, 0, 0, 0, 0]}, "0 or 1, got"),
        ({"text": "", "label": [np.nan, 0, 0, 0, 0, 0]}, "0 or 1, got"),
        ({"text": "", "label": ["a", 0, 0, 0, 0, 0]}, "0 or 1, got"),
        ({"text": "", "label": "xxx"}, "Unknown emotion 'xxx'"),
        ({"text": "", "label": "exc"}, "excited is not among anger, disgust"),
        ({"text": None, "label": "ang"}, "a text is needed, got NoneType"),
        ({"words": "", "label": "ang"}, "keys label and text were expected; found: words, label"),
        ("ang", "keys label and text were expected; found: str"),
    ],
)
def test_entries_that_are_not_understood(mosei, entry, sentence):
    write_meta(mosei, "MOSEI", read_meta(mosei, "MOSEI") | {"101787_10": entry})
    with pytest.raises(PackError, match=rf"^MOSEI_RAW_PROCESSED/meta\.pkl, 101787_10: .*{sentence}"):
        open_pack(mosei)


def test_a_meta_that_is_no_dict(mosei):
    write_meta(mosei, "MOSEI", ["101787_10"])
    assert refusal(mosei) == "MOSEI_RAW_PROCESSED/meta.pkl needs a dict by utterances' names, got list."


# The unpickler

PLAIN = {
    "a": {"label": [0, 1], "text": "naïve\n", "fps": 29.97, "more": (None, True, 2**70, -1, b"\x00\xff")},
    "sets": [{1, 2}, frozenset({"x"})],
}
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([True, False]),
    np.array(["ab", "ç"]),
    np.array([1, 2], ">i4"),
    np.float32(0.5),
    np.int64(-3),
    np.bool_(True),
    np.str_("ab"),
]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_and_arrays(protocol):
    plain = PLAIN if protocol > 3 else {"a": PLAIN["a"]}  # before, sets were written as calls
    assert loads_plain(pickle.dumps(plain, protocol)) == plain
    for array in ARRAYS:
        (got,) = loads_plain(pickle.dumps([array], protocol))
        assert type(got) is type(array)
        np.testing.assert_array_equal(got, array)
        assert got.dtype == array.dtype


@pytest.mark.parametrize("names", [(b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")])
def test_arrays_of_older_and_newer_numpy(names):
    content = pickle.dumps({"label": np.arange(6), "one": np.int8(1)}, 2)
    got = loads_plain(content.replace(*names))
    assert got["label"].tolist() == [0, 1, 2, 3, 4, 5]
    assert got["one"] == 1


def test_one_array_in_two_places_stays_one():
    array = np.arange(3)
    first, second = loads_plain(pickle.dumps([array, array], 4))
    assert first is second


class Calls:
    """Is written as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(mark: Path) -> Calls:
    return Calls(os.system, f"touch '{mark}'")


@pytest.mark.parametrize("protocol", range(6))
def test_no_call_is_made(tmp_path, protocol):
    mark = tmp_path / "mark"
    hostile = [
        touch(mark),
        {"a": {"label": [0] * 6, "text": "fine"}, "b": {"text": [(touch(mark),)]}},
        Calls(eval, f"open({str(mark)!r}, 'w')"),
        Calls(getattr, Calls(__import__, "os"), "system"),
        Calls(np.fromfile, str(mark)),
        Calls(np.save, str(mark), 1),
        Calls(print, Calls(open, str(mark), "w")),
        np.array([touch(mark)], object),
    ]
    for one in hostile:
        path = tmp_path / "hostile.pkl"
        path.write_bytes(pickle.dumps(one, protocol))
        with pytest.raises(RefusedPickle):
            load_plain(path)
        assert not mark.exists()


def test_a_hostile_pack_leaves_no_mark(mosei, tmp_path):
    write_meta(mosei, "MOSEI", read_meta(mosei, "MOSEI") | {"x": touch(tmp_path / "mark")})
    assert "more than plain data (posix.system)" in refusal(mosei)
    assert not (tmp_path / "mark").exists()


def call(module: str, name: str, *arguments: object) -> bytes:
    """Opcodes that call a name, written by hand (protocol 2)."""
    written = b"".join(pickle.dumps(one, 2)[2:-1] for one in arguments)
    return f"c{module}\n{name}\n(".encode() + written + b"tR"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x04N",  # no end
        b"\x80\x02P42\n.",  # a persistent id, as text and as object
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",  # from the extension registry
        b"(S'touch mark'\nios\nsystem\n.",  # INST
        b"\x80\x02cnumpy\nndarray\nK\x05\x85\x81.",  # NEWOBJ
        b"\x80\x02cnumpy\nndarray\n(K\x05tR.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",  # a mere name
        b"\x80\x02cnumpy\ndtype\n.",
        b"\x80\x02N2\x86.",  # DUP, which no pickler writes
        b"\x80\x02]Nr\x00\x00\x00\x01.",  # room for 16 million remembered objects
        b"\x80\x02Np16777216\n.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**50) + b"x.",  # a byte array of a petabyte
        b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
        b"\x80\x02]q\x00h\x00a.",  # a list of itself
        b"\x80\x02" + b"]" * 40 + b"a" * 39 + b".",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02" + call("numpy", "dtype", "O8", False, True) + b".",
        b"\x80\x02" + call("numpy", "dtype", "V8", False, True) + b".",
        b"\x80\x02" + call("numpy", "dtype", "i8,i8") + b".",
        b"\x80\x02" + call("numpy", "dtype", "i8", False, True) + b"}b.",
        b"\x80\x02" + call("numpy", "dtype", "i8", False, True) + b".",  # unused
        b"\x80\x02" + call("_codecs", "encode", "x", "zlib") + b".",
        b"\x80\x02" + call("numpy.core.multiarray", "_reconstruct", 1, (0,), "b") + b".",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\xff\x85U\x01btR.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\xff\x85X\x01\x00\x00\x00btR.",
        b"\x80\x02cnumpy._core.multiarray\nscalar\nN}X\x09\x00\x00\x00_functionNs\x86b.",  # alters a function
    ],
)
def test_refused(content):
    with pytest.raises(RefusedPickle):
        loads_plain(content)
    assert loads_plain(pickle.dumps(np.int8(1))) == 1  # what came before has left no mark


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "array",
    [np.array(["a", None], object), np.zeros(2, "i4,i4"), np.zeros(2, "V8"), np.void(b"x"), np.datetime64(1, "s")],
    ids=str,
)
def test_arrays_of_anything_else(array, protocol):
    with pytest.raises(RefusedPickle):
        loads_plain(pickle.dumps([array], protocol))


def test_arrays_that_do_not_add_up():
    content = pickle.dumps(np.arange(4, dtype=np.int8), 2)
    for wrong in (b"K\x05", b"K\x00", b"K\xff", b"J\xff\xff\xff\xff", b"N"):
        with pytest.raises(RefusedPickle):
            loads_plain(content.replace(b"K\x04", wrong))


def test_any_damage_is_one_kind_of_error():
    content = pickle.dumps({"a": {"label": np.arange(6), "text": "x"}, "b": [1.5, "y", np.int8(2)]}, 4)
    for end in range(len(content)):
        with pytest.raises(RefusedPickle):
            loads_plain(content[:end])
    random = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] ^= 1 << random.integers(8)
        with suppress(RefusedPickle):  # it may also still be a pickle, of something else
            loads_plain(bytes(damaged))


def test_too_large(monkeypatch, tmp_path):
    monkeypatch.setattr("fv2es.data.unpickle.MAX_BYTES", 2**20)
    path = tmp_path / "large.pkl"
    path.write_bytes(pickle.dumps("x" * 2**20))
    with pytest.raises(RefusedPickle, match="larger than 1 MiB"):
        load_plain(path)
