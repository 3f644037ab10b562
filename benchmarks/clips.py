"""What comes out for a folder of labelled clips, one Markdown row each: `python -m benchmarks.clips [INDEX.tsv]`.

The index (by default that of the shared data) is tab-separated with the columns file, duration_s, speech_s, label and
transcript (the last three may be empty), files relative to it. Printed: utterances with their spans, seconds of speech
found and listed, faces, the words and where they came from, what is active on average, and the words of the index.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

from fv2es.modalities.faces import FaceFinder
from fv2es.pipeline import analyse
from fv2es.reader import Reader, load_reader
from fv2es.results import summarise
from fv2es.schema import Reading

COLUMNS = ("clip", "seconds", "label", "spans", "speech (listed)", "faces", "average", "words", "listed words", "took")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("FV2ES_DATA", "../shared/data"))
    options.add_argument("index", type=Path, nargs="?", default=data / "video" / "index.tsv")
    options.add_argument("--speech", default="auto")
    args = options.parse_args()
    if not args.index.is_file():
        print("There is no index of clips here; name one, or the data folder with FV2ES_DATA.")
        return
    reader, finder = load_reader(), FaceFinder()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    with args.index.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            start = time.perf_counter()
            with analyse(args.index.parent / row["file"], reader=reader, finder=finder, speech=args.speech) as analysis:
                readings = list(analysis)
            cells = [*describe(row, readings, reader), f"{time.perf_counter() - start:.1f} s"]
            print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |", flush=True)


def describe(row: dict[str, str], readings: list[Reading], reader: Reader) -> list[str]:
    """The cells of one clip, but the time it took."""
    spoken = sum(one.span.duration for one in readings if "voice" in one.utterance.modalities)
    words = " / ".join(one.utterance.transcript.text for one in readings if one.utterance.transcript)
    sources = {one.utterance.transcript.source for one in readings if one.utterance.transcript}
    active = summarise(readings, reader.emotions, reader.thresholds).active if readings else ("nothing",)
    return [
        row["file"],
        row["duration_s"],
        row.get("label", ""),
        ", ".join(f"{one.span.start:.2f}–{one.span.end:.2f}" for one in readings),
        f"{spoken:.1f} ({row.get('speech_s', '')})",
        " ".join(str(len(one.utterance.faces)) for one in readings),
        ", ".join(active) or "neutral",
        shorten(words) + (f" ({', '.join(sources)})" if sources else ""),
        shorten(row.get("transcript", "")),
    ]


def shorten(text: str, length: int = 90) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


if __name__ == "__main__":
    main()
