"""Everything in one `.zip`, with a README that says what it is, whose weights made it and how to take it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from typing import IO, Any

from fv2es.takeaway.names import stem
from fv2es.takeaway.subtitles import srt, vtt
from fv2es.takeaway.tables import csv_text
from fv2es.takeaway.text import one_line

ENDINGS = {
    "json": ".json",
    "csv": ".csv",
    "srt": ".srt",
    "vtt": ".vtt",
    "npz": "-attention.npz",
    "zip": "-fv2es.zip",
    "video": "-annotated.mp4",
}
ABOUT = {
    "json": "everything that was found, for programs (docs/json.md)",
    "csv": "one row an utterance, for spreadsheets (docs/files.md)",
    "srt": "subtitles with emotion tags, for players",
    "vtt": "the same as WebVTT, for web pages",
    "npz": "attention maps of the voice model, for NumPy (docs/json.md)",
}
CAUTION = """\
These figures estimate the emotion that is expressed in face, voice and words,
as observers would see and hear it. They do not say what anybody feels, and
they are often wrong. Do not judge people by them, at work, at school or
anywhere else.
"""


def texts(document: Mapping[str, Any]) -> dict[str, str]:
    """Kind → content of each text file."""
    return {
        "json": json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        "csv": csv_text(document),
        "srt": srt(document),
        "vtt": vtt(document),
    }


def encode(text: str) -> bytes:
    """UTF-8; what it cannot hold (half of a surrogate pair, from a damaged subtitle) becomes a question mark."""
    return text.encode("utf-8", errors="replace")


def name_of(kind: str, document: Mapping[str, Any]) -> str:
    """The file name of one kind of file. Raises ValueError for a kind that there is not."""
    if kind not in ENDINGS:
        raise ValueError(f"There is no file of the kind {kind!r}; there are {', '.join(ENDINGS)}.")
    return stem(document["file"]) + ENDINGS[kind]


def write_bundle(stream: IO[bytes], document: Mapping[str, Any], attention: IO[bytes] | None = None) -> None:
    """The `.zip`: README.txt, the text files and, where it is given, attention, open for reading."""
    contents: dict[str, bytes | IO[bytes]] = {kind: encode(text) for kind, text in texts(document).items()}
    if attention is not None:
        contents["npz"] = attention
    with zipfile.ZipFile(stream, "w") as bundle:
        _add(bundle, "README.txt", encode(readme(document, tuple(contents))))
        for kind, content in contents.items():
            _add(bundle, name_of(kind, document), content)


def readme(document: Mapping[str, Any], kinds: tuple[str, ...]) -> str:
    """What README.txt says."""
    names = {kind: name_of(kind, document) for kind in kinds}
    width = max(map(len, names.values()))
    files = "\n".join(f"  {name:<{width}}  {ABOUT[kind]}" for kind, name in names.items())
    return (
        f"Expressed emotion in {one_line(document['file'])}\n\n{CAUTION}\nFiles\n{files}\n\n"
        f"Weights\n{_weights(document['checkpoint'])}\n\n"
        f"Thresholds (an emotion is active at or above its own)\n{_thresholds(document)}\n{_notes(document)}"
    )


def _add(bundle: zipfile.ZipFile, name: str, content: bytes | IO[bytes]) -> None:
    """Without a date; what is compressed already is stored as it is."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED if isinstance(content, bytes) else zipfile.ZIP_STORED
    member.external_attr = 0o644 << 16
    with bundle.open(member, "w", force_zip64=True) as stream:
        if isinstance(content, bytes):
            stream.write(content)
        else:
            shutil.copyfileobj(content, stream)


def _weights(checkpoint: Mapping[str, Any]) -> str:
    rows = {
        "name": checkpoint["name"],
        "version": checkpoint.get("version"),
        "sha256": checkpoint["sha256"],
        "licence": checkpoint.get("licence"),
        "trained on": ", ".join(checkpoint.get("trained_on", ())),
    }
    return "\n".join(f"  {what:<10}  {one_line(str(value))}" for what, value in rows.items() if value)


def _thresholds(document: Mapping[str, Any]) -> str:
    own = document.get("checkpoint_thresholds", {})
    moved = document.get("moved_thresholds", {})
    rows = []
    for name, value in document["thresholds"].items():
        aside = f"  (moved; the checkpoint's is {own[name]:.3f})" if name in moved else ""
        rows.append(f"  {name:<10}  {value:.3f}{aside}")
    return "\n".join(rows)


def _notes(document: Mapping[str, Any]) -> str:
    lines = "\n".join(f"  {one_line(note)}" for note in document["notes"])
    return f"\nNotes\n{lines}\n" if lines else ""
