"""All records of a batch as two tables: a row per utterance, a row per file. Made from what lies on disk alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fv2es.atomic import atomic_file
from fv2es.batch.record import DONE, FAILED, WAITING, Shelf
from fv2es.takeaway.tables import BOM, cells, header, safe
from fv2es.takeaway.text import one_line

UTTERANCES, FILES = "utterances", "files"
ROWS = 1024  # of a table that are held at once

Row = dict[str, Any]


def write_tables(shelf: Shelf, names: Sequence[str], emotions: Sequence[str]) -> list[Path]:
    """utterances and files, as CSV, and as Parquet where pyarrow is installed; each whole or as it was before.

    names: of all jobs, so that what is still to be done has a row as well; records of others are listed behind them.
    """
    every = [*names, *sorted(set(shelf.names()) - set(names))]
    tables: dict[str, tuple[dict[str, type], Callable[[], Iterator[Row]]]] = {
        UTTERANCES: (_utterance_columns(emotions), lambda: _utterances(shelf, every, emotions)),
        FILES: (_file_columns(emotions), lambda: _files(shelf, every, emotions)),
    }
    written = []
    for title, (columns, rows) in tables.items():
        written.append(_write_csv(shelf.folder / f"{title}.csv", columns, rows()))
        if (path := _write_parquet(shelf.folder / f"{title}.parquet", columns, rows())) is not None:
            written.append(path)
    return written


def _utterance_columns(emotions: Sequence[str]) -> dict[str, type]:
    kinds: dict[str, type] = dict.fromkeys(("active", "transcript", "transcript_source"), str)
    kinds |= dict.fromkeys(("utterance", "faces_found"), int)
    return {"file": str, **{name: kinds.get(name, float) for name in header(emotions)}}


def _file_columns(emotions: Sequence[str]) -> dict[str, type]:
    return {
        "file": str,
        "status": str,
        "error": str,
        "duration": float,
        "seconds": float,
        "utterances": int,
        "active": str,
        **dict.fromkeys(emotions, float),
        "notes": str,
    }


def _utterances(shelf: Shelf, names: Iterable[str], emotions: Sequence[str]) -> Iterator[Row]:
    for name in names:
        for number, one in enumerate((shelf.get(name) or {}).get("utterances", ()), 1):
            row = dict(zip(header(emotions), cells(number, one, emotions), strict=True))
            yield {"file": name, **row, "transcript": one_line(one["transcript"])}


def _files(shelf: Shelf, names: Iterable[str], emotions: Sequence[str]) -> Iterator[Row]:
    for name in names:
        record = shelf.get(name)
        row: Row = {"file": name, "status": WAITING if record is None else FAILED if "error" in record else DONE}
        if record is None:
            yield row
            continue
        row |= {"error": record.get("error"), "seconds": record["seconds"]}
        if "error" not in record:
            row |= {"duration": record["duration"], "utterances": len(record["utterances"])}
            row |= {"notes": one_line(" ".join(record["notes"]))}
            if record["utterances"]:
                row |= {"active": ", ".join(record["summary"]["active"]) or "neutral"}
                row |= {emotion: record["summary"]["average"].get(emotion) for emotion in emotions}
        yield row


def _write_csv(path: Path, columns: dict[str, type], rows: Iterator[Row]) -> Path:
    with atomic_file(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
        stream.write(BOM)
        writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        writer.writerow([safe(name) for name in columns])
        writer.writerows([safe(row.get(name)) for name in columns] for row in rows)
    return path


def _write_parquet(path: Path, columns: dict[str, type], rows: Iterator[Row]) -> Path | None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return None
    kinds = {str: pyarrow.string(), int: pyarrow.int32(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with atomic_file(path) as raw, parquet.ParquetWriter(raw, schema) as writer:
        while some := list(islice(rows, ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(some, schema))
    return path
