"""A manifest: which stretch of which file has which labels. Tab-separated without quoting, one utterance a line.

Columns `id, file, start, end, text, subtitles, labels`, in any order; any of them may be empty or absent, further ones
are passed over. A relative file is relative to the manifest. Labels are comma-separated names; neutral or nothing =
none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fv2es.emotions import MOSEI, parse_labels

COLUMNS = ("id", "file", "start", "end", "text", "subtitles", "labels")


class ManifestError(ValueError):
    """One clear sentence about the manifest, naming the line where there is one."""


@dataclass(frozen=True)
class Row:
    """One line. `start` and `end` are seconds of the file, None = from its beginning, to its end. Where there is no
    `text`, the words are those of the `subtitles` of the whole file, if there are any."""

    line: int
    id: str
    file: Path | None = None
    start: float | None = None
    end: float | None = None
    text: str = ""
    labels: tuple[str, ...] = ()
    subtitles: Path | None = None


def read_manifest(path: str | Path, emotions: Sequence[str] | None = MOSEI, labelled: bool = False) -> list[Row]:
    """All rows, checked; labels in the order of `emotions`, None: they are of no interest. labelled: a column of labels
    is needed.

    Raises ManifestError for a line that cannot be read, OSError for a file that cannot be opened. Whether the files
    of the rows exist is not looked at here.
    """
    path = Path(path)
    lines = _lines(path)
    header = [name.strip().lower() for name in next(lines, (1, []))[1]]
    _check_header(header, path.name)
    if labelled and "labels" not in header:
        near = ", only label" if "label" in header else ""
        raise ManifestError(
            f"The first line of {path.name} names no column labels{near}; without it all rows would be neutral."
        )
    return [_row(line, cells, header, path, emotions) for line, cells in lines]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells), blank lines passed over. Only a line feed ends a line, whatever else Unicode offers."""
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ManifestError(f"Line {number} of {path.name} is not UTF-8 text.") from error
            text = text.rstrip("\r\n")
            if text.strip():
                yield number, text.split("\t")


def _check_header(header: Sequence[str], name: str) -> None:
    if not {"file", "text"} & set(header):
        if len(header) == 1 and re.search("[,;]", header[0]):
            raise ManifestError(f"The columns of {name} need tabs between them, not commas or semicolons.")
        raise ManifestError(f"The first line of {name} names no column file or text; columns are {', '.join(COLUMNS)}.")
    twice = sorted({column for column in COLUMNS if header.count(column) > 1})
    if twice:
        raise ManifestError(f"The first line of {name} names the column {', '.join(twice)} more than once.")


def _row(line: int, cells: list[str], header: Sequence[str], path: Path, emotions: Sequence[str] | None) -> Row:
    where = f"Line {line} of {path.name}"
    if len(cells) != len(header):
        raise ManifestError(f"{where} has {len(cells)} cells where the first line names {len(header)} columns.")
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    start, end = _seconds(values, "start", where), _seconds(values, "end", where)
    if end is not None and end <= (start or 0.0):
        raise ManifestError(f"{where} ends at {end:g} s, which is not after its start at {start or 0:g} s.")
    try:
        labels = () if emotions is None else parse_labels(values.get("labels", ""), emotions)
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from error
    file, subtitles = (path.parent / cell if (cell := values.get(name, "")) else None for name in ("file", "subtitles"))
    return Row(
        line=line,
        id=values.get("id", "") or f"line {line}",
        file=file,
        start=start,
        end=end,
        text=values.get("text", ""),
        labels=labels,
        subtitles=subtitles,
    )


def _seconds(values: Mapping[str, str], name: str, where: str) -> float | None:
    cell = values.get(name, "")
    if not cell:
        return None
    try:
        seconds = float(cell)
    except ValueError as error:
        raise ManifestError(f"{where} has {cell!r} as its {name}, which is no number of seconds.") from error
    if not math.isfinite(seconds) or seconds < 0:
        raise ManifestError(f"{where} has {cell!r} as its {name}; seconds from the file's beginning are needed.")
    return seconds
