"""IEMOCAP (Busso et al. 2008) and CMU-MOSEI (Bagher Zadeh et al. 2018) as reorganised by Dai et al. (2021).

What is known of their release, from its public loaders and preparation scripts (the data itself needs a licence):

    IEMOCAP_RAW_PROCESSED/meta.pkl, <dialogue>/<utterance>/image_L_<n>.jpg, image_R_<n>.jpg, audio_L.wav, audio_R.wav
    IEMOCAP_SPLIT/train_split.txt, valid_split.txt, test_split.txt: an utterance's name a line
    MOSEI_RAW_PROCESSED/meta.pkl, <utterance>/image_<n>.jpg, audio.wav
    MOSEI_SPLIT/…

`meta.pkl`: name → {"text": str, "label": …, …}; the label is a short name in IEMOCAP ("ang"), six times 0 or 1 in
CMU-MOSEI. In IEMOCAP left (L) is the person whose letter, F or M, the session's name ends with.

Assumed: the pictures of a folder are spread evenly over its sound (how many a second there are differs and is written
nowhere for CMU-MOSEI). Taken as well: split files named `train.txt`, split folders named `…_split`, and IEMOCAP's
utterances not sorted into dialogues, or with pictures and sound that are not told apart by sides.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

import numpy as np
from PIL import Image

from fv2es import emotions
from fv2es.data.speech import read_sound
from fv2es.data.unpickle import RefusedPickle, load_plain
from fv2es.limits import Limits
from fv2es.media import Media, MediaError
from fv2es.media.plain import read_picture
from fv2es.modalities.extract import FACES, evenly_spread, extract_span
from fv2es.modalities.faces import CROP, Finder, is_face, whole_picture
from fv2es.schema import SAMPLE_RATE, FaceCrop, Frame, Sound, Transcript, Utterance

logger = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
SOURCE = "SOURCE.txt"  # of a pack in a corpus's layout that is another's: what its material is called, in a line
FRAME_RATE = 30.0  # pictures a second of a folder without sound, as the release's own loader takes it
_SHORT = {"exc": "excited", "fru": "frustrated"}  # beside those that every corpus may use
_IEMOCAP_NAME = re.compile(r"Ses\d+([FM])_.+_([FM])[^_]*")


class PackError(ValueError):
    """One clear sentence about the pack; files are named as they are called inside it."""


@dataclass(frozen=True)
class Corpus:
    """`title`: as people call it; `folder`: what its folders' names begin with; `sided`: two people are filmed side by
    side, in dialogues."""

    title: str
    folder: str
    emotions: tuple[str, ...]
    sided: bool

    @property
    def name(self) -> str:
        """Its key in `CORPORA`."""
        return self.folder.lower()

    @property
    def raw(self) -> str:
        return f"{self.folder}_RAW_PROCESSED"


CORPORA = {
    "iemocap": Corpus("IEMOCAP", "IEMOCAP", emotions.IEMOCAP, sided=True),
    "mosei": Corpus("CMU-MOSEI", "MOSEI", emotions.MOSEI, sided=False),
}


@dataclass(frozen=True)
class Item:
    """One utterance: its labels in the order of the pack's emotions, its words, and its files.

    frames: whole pictures (IEMOCAP: of the speaker's half) in order; sound: None where there is none.
    """

    id: str
    labels: tuple[str, ...]
    text: str
    frames: tuple[Path, ...]
    sound: Path | None


@dataclass(frozen=True)
class _Entry:
    id: str
    labels: tuple[str, ...]
    text: str
    folder: Path


@dataclass(frozen=True, eq=False)
class Pack:
    """An opened pack. source: what it was made of, None: of the corpus itself; skipped: how many names of each split
    lack an entry or a folder, or are there twice."""

    corpus: Corpus
    source: str | None
    skipped: Mapping[str, int]
    _entries: Mapping[str, tuple[_Entry, ...]]

    @property
    def emotions(self) -> tuple[str, ...]:
        """The corpus's, in its order."""
        return self.corpus.emotions

    def count(self, split: str) -> int:
        """How many items a split has."""
        return len(self._entries[_known_split(split)])

    def items(self, split: str) -> Iterator[Item]:
        """The items of one split in its file's order; a folder is looked into when its turn comes."""
        return (_item(entry, self.corpus) for entry in self._entries[_known_split(split)])


def open_pack(folder: str | Path, name: str | None = None) -> Pack:
    """The pack of one corpus, "iemocap" or "mosei", in the folder that holds `…_RAW_PROCESSED` and `…_SPLIT`.

    `name` may be left out where only one of them is there. Names and labels are all checked here, media when they are
    used. Raises PackError.
    """
    folder = Path(folder).absolute()
    corpus = _choose(folder, name)
    meta = _meta(folder, corpus)
    folders = _folders(folder / corpus.raw, corpus)
    names = {split: _names(folder, corpus, split) for split in SPLITS}
    _check_apart(names)
    entries, skipped = {}, {}
    for split, wanted in names.items():
        once = dict.fromkeys(wanted)
        there = [one for one in once if one in meta and one in folders]
        skipped[split] = len(wanted) - len(there)
        _report(corpus, split, wanted, meta, folders)
        entries[split] = tuple(_entry(one, meta[one], folders[one], corpus) for one in there)
    return Pack(corpus, _source(folder), skipped, entries)


def utterance(item: Item, finder: Finder) -> Utterance:
    """What a model sees of an item: face, voice and words, by the code that serves visitors.

    Raises PackError for a file that cannot be read.
    """
    # `extract_span` asks no more of a clip than `_FolderClip` has
    clip = _FolderClip(item)
    seen = extract_span(cast(Media, clip), None, finder=finder)
    words = Transcript(item.text, "typed") if item.text else Transcript()
    faces = clip.whole_pictures() or seen.faces
    return Utterance(seen.span, faces=faces, waveform=seen.waveform, mel=seen.mel, transcript=words)


class _FolderClip:
    """An item's pictures and sound, read as if they were one clip: see `fv2es.media.Media`."""

    is_picture = False

    def __init__(self, item: Item) -> None:
        self._item = item
        self._waveform = self._heard()
        self.limits = Limits.unlimited()
        self.duration = len(self._waveform) / SAMPLE_RATE or len(item.frames) / FRAME_RATE
        self.seconds_read = 0.0

    def read(self, frame_times: Iterable[float] = (), start: float = 0.0, end: float = inf) -> Iterator[Sound | Frame]:
        """The whole sound, and the picture of each of `frame_times`, but none twice in a row."""
        if len(self._waveform):
            yield Sound(0.0, self._waveform)
        self.seconds_read = self.duration
        pictures, last = self._item.frames, None
        for time in frame_times if pictures else ():
            if time >= self.duration:
                return
            path = pictures[int(time / self.duration * len(pictures))]
            if path != last:
                yield Frame(time, self._picture(path))
            last = path

    def whole_pictures(self) -> tuple[FaceCrop, ...]:
        """Up to FACES of the pictures, where they are faces that somebody has cut out already."""
        faces = []
        for path in evenly_spread(self._item.frames, FACES):
            frame = Frame(0.0, self._picture(path))
            if not is_face(frame):
                return ()
            face = whole_picture(frame)
            faces.append(replace(face, pixels=_enlarged(face.pixels)))
        return tuple(faces)

    def _heard(self) -> np.ndarray:
        if self._item.sound is None:
            return np.zeros(0, np.float32)
        try:
            return read_sound(self._item.sound)
        except MediaError as error:
            raise PackError(f"{self._item.id}, {self._item.sound.name}: {error}") from error

    def _picture(self, path: Path) -> np.ndarray:
        try:
            return read_picture(path).pixels
        except MediaError as error:
            raise PackError(f"{self._item.id}, {path.name}: {error}") from error


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    """Crops are kept together, so they are of one size."""
    return np.asarray(Image.fromarray(pixels).resize((CROP, CROP), Image.Resampling.LANCZOS))


def _choose(folder: Path, name: str | None) -> Corpus:
    if name is not None and name.lower() not in CORPORA:
        raise PackError(f"There is no corpus {name!r}; known: {', '.join(CORPORA)}.")
    wanted = [CORPORA[name.lower()]] if name else list(CORPORA.values())
    there = [corpus for corpus in wanted if (folder / corpus.raw).is_dir()]
    if not there:
        expected = " or ".join(corpus.raw for corpus in wanted)
        raise PackError(f"A folder {expected} was expected in {folder.name}; {_found(folder)}.")
    if len(there) > 1:
        raise PackError(f"Several corpora are in {folder.name}; say which: {', '.join(CORPORA)}.")
    return there[0]


def _source(folder: Path) -> str | None:
    path = folder / SOURCE
    if not path.is_file():
        return None
    line = path.read_text(encoding="utf-8-sig", errors="replace").partition("\n")[0]
    return "".join(filter(str.isprintable, line)).strip()[:100] or None


def _found(folder: Path) -> str:
    """ "a, b, c … were found", for a sentence."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return "there is no such folder"
    return f"found: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}" if names else "it is empty"


def _meta(folder: Path, corpus: Corpus) -> dict[str, Any]:
    where = f"{corpus.raw}/meta.pkl"
    try:
        meta = load_plain(folder / corpus.raw / "meta.pkl")
    except OSError as error:
        raise PackError(f"{where} was expected; {_found(folder / corpus.raw)}.") from error
    except RefusedPickle as error:
        raise PackError(f"{where} is not read: {error}") from error
    if not isinstance(meta, dict) or not all(isinstance(name, str) for name in meta):
        raise PackError(f"{where} needs a dict by utterances' names, got {type(meta).__name__}.")
    return meta


def _folders(root: Path, corpus: Corpus) -> dict[str, Path]:
    """Name → folder of every utterance. What is not listed here is never opened, whatever a split's file says."""
    there = {path.name: path for path in _within(root)}
    if corpus.sided:
        dialogues = [path for name, path in there.items() if not _IEMOCAP_NAME.fullmatch(name)]
        there.update({path.name: path for dialogue in dialogues for path in _within(dialogue)})
    return there


def _within(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir()]


def _names(folder: Path, corpus: Corpus, split: str) -> list[str]:
    """The lines of a split's file, each checked to be a plain name."""
    holders = [folder / f"{corpus.folder}_{ending}" for ending in ("SPLIT", "split")]
    files = [holder / name for holder in holders for name in (f"{split}_split.txt", f"{split}.txt")]
    path = next((one for one in files if one.is_file()), None)
    if path is None:
        raise PackError(f"{holders[0].name}/{files[0].name} was expected; {_found(holders[0])}.")
    where = f"{path.parent.name}/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise PackError(f"{where} is not UTF-8 text.") from error
    names = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, name in names:
        if not _is_plain(name) or (corpus.sided and not _IEMOCAP_NAME.fullmatch(name)):
            like = "Ses01F_impro01_M003" if corpus.sided else "3MFNIag0wNE_1"
            raise PackError(f"Line {number} of {where} needs an utterance's name such as {like}, got {name!r:.60}.")
    return [name for _, name in names]


def _is_plain(name: str) -> bool:
    """Nothing that leads anywhere else when it is taken for a path."""
    alone = name == PurePosixPath(name).name == PureWindowsPath(name).name
    return alone and name not in (".", "..") and name.isprintable()


def _check_apart(names: Mapping[str, list[str]]) -> None:
    seen: dict[str, str] = {}
    for split, wanted in names.items():
        for name in wanted:
            if seen.setdefault(name, split) != split:
                raise PackError(f"{name} is in two splits, {seen[name]} and {split}.")


def _report(corpus: Corpus, split: str, wanted: list[str], meta: Mapping, folders: Mapping) -> None:
    """Warn of what is left out; nothing at all left is an error."""
    kinds = Counter(
        "are not in meta.pkl" if name not in meta else "have no folder" if name not in folders else "there"
        for name in dict.fromkeys(wanted)
    )
    there = kinds.pop("there", 0)
    if twice := len(wanted) - len(set(wanted)):
        kinds["are there twice"] = twice
    why = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    if not there:
        raise PackError(f"{corpus.folder}, {split}: none of {len(wanted)} utterances can be used{why and f' ({why})'}.")
    if kinds:
        missing = len(wanted) - there
        logger.warning("%s, %s: %d of %d lines are left out (%s).", corpus.folder, split, missing, len(wanted), why)


def _entry(name: str, given: Any, folder: Path, corpus: Corpus) -> _Entry:
    where = f"{corpus.raw}/meta.pkl, {name}"
    if not isinstance(given, dict) or not {"label", "text"} <= set(given):
        keys = ", ".join(map(str, given)) if isinstance(given, dict) else type(given).__name__
        raise PackError(f"{where}: the keys label and text were expected; found: {keys:.80}.")
    if not isinstance(given["text"], str):
        raise PackError(f"{where}: a text is needed, got {type(given['text']).__name__}.")
    try:
        labels = _labels(given["label"], corpus.emotions)
    except ValueError as error:
        raise PackError(f"{where}: {error}") from error
    return _Entry(name, labels, " ".join(given["text"].split()), folder)


def _labels(given: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """An emotion's name, or a 0 or 1 for each of `names` → those that apply, in the order of `names`."""
    if isinstance(given, str):
        name = emotions.canonical(_SHORT.get(given.strip().lower(), given))
        if name not in names:
            raise ValueError(f"{name} is not among {', '.join(names)}.")
        return (name,)
    values = given.tolist() if isinstance(given, np.ndarray | np.generic) else given
    if not isinstance(values, list | tuple) or len(values) != len(names):
        got = f"{len(values)} values" if isinstance(values, list | tuple) else type(given).__name__
        raise ValueError(f"a label needs a name or {len(names)} values, {', '.join(names)}; got {got}.")
    if not all(isinstance(value, int | float | np.generic) and value in (0, 1) for value in values):
        raise ValueError(f"a label's values need to be 0 or 1, got {values!r:.60}.")
    return tuple(name for name, value in zip(names, values, strict=True) if value)


def _known_split(split: str) -> str:
    if split not in SPLITS:
        raise PackError(f"There is no split {split!r}; known: {', '.join(SPLITS)}.")
    return split


def _item(entry: _Entry, corpus: Corpus) -> Item:
    there = set(os.listdir(entry.folder))
    sides = _IEMOCAP_NAME.fullmatch(entry.id) if corpus.sided else None
    marks = [f"_{'L' if sides[1] == sides[2] else 'R'}", ""] if sides else [""]
    frames = next(filter(None, (_frames(there, mark) for mark in marks)), [])
    sound = next((name for name in (f"audio{mark}.wav" for mark in marks) if name in there), None)
    if there and not frames and sound is None:
        raise PackError(
            f"{entry.id}: image{marks[0]}_<n>.jpg and audio{marks[0]}.wav were expected; {_found(entry.folder)}."
        )
    paths = tuple(entry.folder / name for name in frames)
    return Item(entry.id, entry.labels, entry.text, paths, entry.folder / sound if sound else None)


def _frames(names: Iterable[str], mark: str) -> list[str]:
    """Those that are called image<mark>_<number>.jpg, by number."""
    form = re.compile(rf"image{mark}_(\d{{1,9}})\.jpg")
    numbered = [(int(match[1]), name) for name in names if (match := form.fullmatch(name))]
    return [name for _, name in sorted(numbered)]
