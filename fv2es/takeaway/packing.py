"""A result ⇄ one file that holds all of it but the clip: bit for bit, so that what is opened again is what was kept.

A zip of `result.json` (figures and words), `.npy` arrays (spectrogram, sound, attention) and faces as lossless WebP. No
pickle: what is read is numbers, text and pictures. The zip's checksums tell a damaged file.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import astuple
from typing import IO, Any

import numpy as np

from fv2es.schema import FaceCrop, Reading, Span, Transcript, Utterance
from fv2es.takeaway.result import Result

FORMAT = 1
FAST = 1  # zlib's quickest: more would save 2 % and take twice the time
_NAME = re.compile(r"\w{1,64}", re.ASCII)  # of an attention array


def pack(result: Result, stream: IO[bytes]) -> None:
    """Write `result` to an open file."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as pack:
        readings = [_pack_reading(pack, place, one) for place, one in enumerate(result.readings)]
        document = {
            "format": FORMAT,
            "file": result.file,
            "model": result.model,
            "checkpoint": dict(result.checkpoint),
            "emotions": list(result.emotions),
            "thresholds": result.thresholds.tolist(),
            "moved": None if result.moved is None else result.moved.tolist(),
            "duration": result.duration,
            "notes": list(result.notes),
            "readings": readings,
        }
        pack.writestr("result.json", json.dumps(document))


def unpack(stream: IO[bytes]) -> Result:
    """The result that an open file holds. Raises ValueError for a file that is damaged, or of another version."""
    try:
        with zipfile.ZipFile(stream) as pack:
            document = json.loads(pack.read("result.json"))
            if document["format"] != FORMAT:
                raise ValueError(f"needs format {FORMAT}, got {document['format']}")
            emotions = tuple(document["emotions"])
            return Result(
                file=document["file"],
                model=document["model"],
                checkpoint=document["checkpoint"],
                emotions=emotions,
                thresholds=np.array(document["thresholds"], np.float64),
                moved=None if document["moved"] is None else np.array(document["moved"], np.float64),
                duration=document["duration"],
                notes=tuple(document["notes"]),
                readings=tuple(
                    _unpack_reading(pack, place, one, emotions) for place, one in enumerate(document["readings"])
                ),
            )
    except Exception as error:  # zipfile, zlib, json, NumPy and Pillow each fail in ways of their own
        raise ValueError(f"the file is damaged ({type(error).__name__})") from error


def _pack_reading(pack: zipfile.ZipFile, place: int, reading: Reading) -> dict[str, Any]:
    utterance = reading.utterance
    _add_array(pack, f"{place}/mel", utterance.mel)
    _add_array(pack, f"{place}/waveform", utterance.waveform)
    for name, values in (reading.attention or {}).items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for an array")
        _add_array(pack, f"{place}/attention/{name}", values)
    for number, face in enumerate(utterance.faces):
        _add_face(pack, f"{place}/face/{number}", face.pixels)
    return {
        "index": reading.index,
        "span": [utterance.span.start, utterance.span.end],
        "transcript": list(astuple(utterance.transcript)),
        "notes": list(utterance.notes),
        "faces": [{"time": one.time, "box": one.box, "confidence": one.confidence} for one in utterance.faces],
        "probabilities": reading.probabilities.tolist(),
        "thresholds": reading.thresholds.tolist(),
        "modalities": {
            name: None if values is None else values.tolist() for name, values in reading.modalities.items()
        },
        "attention": None if reading.attention is None else list(reading.attention),
        "seconds": dict(reading.seconds),
    }


def _unpack_reading(pack: zipfile.ZipFile, place: int, kept: Mapping[str, Any], emotions: tuple[str, ...]) -> Reading:
    faces = tuple(
        FaceCrop(
            one["time"], _face(pack, f"{place}/face/{number}"), one["box"] and tuple(one["box"]), one["confidence"]
        )
        for number, one in enumerate(kept["faces"])
    )
    utterance = Utterance(
        Span(*kept["span"]),
        faces=faces,
        waveform=_array(pack, f"{place}/waveform"),
        mel=_array(pack, f"{place}/mel"),
        transcript=Transcript(*kept["transcript"]),
        notes=tuple(kept["notes"]),
    )
    names = kept["attention"]
    return Reading(
        index=kept["index"],
        utterance=utterance,
        emotions=emotions,
        probabilities=np.array(kept["probabilities"], np.float64),
        thresholds=np.array(kept["thresholds"], np.float64),
        modalities={
            name: None if values is None else np.array(values, np.float64)
            for name, values in kept["modalities"].items()
        },
        attention=None if names is None else {name: _array(pack, f"{place}/attention/{name}") for name in names},
        seconds=kept["seconds"],
    )


def _add_array(pack: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with pack.open(f"{name}.npy", "w") as stream:
        np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def _array(pack: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(pack.read(f"{name}.npy")), allow_pickle=False)


def _add_face(pack: zipfile.ZipFile, name: str, pixels: np.ndarray) -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", lossless=True, quality=0, method=0)
    pack.writestr(zipfile.ZipInfo(f"{name}.webp"), stream.getvalue())  # stored: it is compressed already


def _face(pack: zipfile.ZipFile, name: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(pack.read(f"{name}.webp")), formats=("WEBP",)) as picture:
        return np.array(picture.convert("RGB"))
