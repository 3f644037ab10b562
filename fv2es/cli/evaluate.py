"""`evaluate`: score a model on a manifest of labelled utterances."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fv2es.cli.analyse import DEFAULT_MODEL
from fv2es.cli.output import STDOUT, CommandError, Progress, check_target, printable, write_json

if TYPE_CHECKING:
    from fv2es.data.manifest import Row
    from fv2es.evaluation import Evaluation

NAMED_AT_MOST = 20  # rows listed one by one; the others are only counted


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("evaluate", help="score a model on a manifest of utterances", description=__doc__)
    parser.add_argument(
        "manifest",
        metavar="MANIFEST.tsv",
        help="tab-separated, no quoting, columns id, file, start, end, text, subtitles, labels; any may be empty",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="which model (default: %(default)s)")
    parser.add_argument(
        "--modalities",
        default="tav",
        metavar="tav",
        help="what the model may see: any of t (text), a (audio), v (video) (default: %(default)s)",
    )
    parser.add_argument("--json", metavar="OUT", help="write the figures to OUT; - is standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    check_target("--json", options.json)
    from fv2es.data.manifest import read_manifest
    from fv2es.emotions import COLOURS
    from fv2es.evaluation import evaluate, parse_modalities

    modalities = parse_modalities(options.modalities)
    # What cannot be read is said before the weights are loaded.
    _check_places(options, read_manifest(options.manifest, tuple(COLOURS), labelled=True))
    progress = Progress("rows")
    try:
        from fv2es.reader import load_reader

        reader = load_reader(options.model)
        rows = read_manifest(options.manifest, reader.emotions)
        if not rows:
            raise CommandError(f"{options.manifest} has no rows.")
        progress.update(0, len(rows))
        result = evaluate(rows, reader, modalities, progress=lambda done: progress.update(done, len(rows)))
    finally:
        progress.close()
    _say_losses(result, sys.stderr)
    if not result.report["n"]:
        raise CommandError(f"Not one of the {len(rows)} rows of {options.manifest} could be read.")
    if len(result.empty) == result.report["n"]:
        raise CommandError(f"Not one row of {options.manifest} has anything that {options.model} may read.")
    print(table(result.report), file=sys.stderr if options.json == STDOUT else sys.stdout)
    if options.json:
        write_json(options.json, result.report)
    return 0


def _check_places(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Raises CommandError where the figures would be written over what they are made of."""
    if options.json and options.json != STDOUT:
        named = (path for row in rows for path in (row.file, row.subtitles) if path is not None)
        if Path(options.json).resolve() in {Path(options.manifest).resolve(), *(path.resolve() for path in named)}:
            raise CommandError(f"--json {options.json} would be written over the manifest or one of its files.")


def table(report: dict[str, Any]) -> str:
    """The figures for people, one emotion a line."""
    names = ("wacc", "accuracy", "f1", "f1_weighted", "auc")
    lines = [f"{'':<12}" + "".join(f"{name:>12}" for name in names) + f"{'positives':>12}"]
    for emotion, figures in {**report["per_emotion"], "average": report["average"]}.items():
        positives = figures["positives"]
        count = "" if positives is None else f"{positives:g}"
        lines.append(f"{emotion:<12}" + "".join(f"{_figure(figures[name]):>12}" for name in names) + f"{count:>12}")
    single = report["single_label"]
    count = "1 utterance" if report["n"] == 1 else f"{report['n']} utterances"
    lines.append(
        f"{count}, {', '.join(report['modalities'])}. As one label each ({single['n']} of them): "
        f"accuracy {_figure(single['accuracy'])}, macro recall {_figure(single['macro_recall'])}, "
        f"macro F1 {_figure(single['macro_f1'])}."
    )
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _say_losses(result: Evaluation, stream: TextIO) -> None:
    whole = result.report["n"] + result.report["skipped"]
    _name([(lost.row, lost.why) for lost in result.unreadable], stream)
    if lost := len(result.unreadable):
        print(f"Left out, as their files could not be read: {lost} of {whole} rows.", file=stream)
    _name([(row, "Nothing to read in it.") for row in result.empty], stream)
    if empty := len(result.empty):
        print(f"Counted as neutral, as there was nothing to read in them: {empty} of {whole} rows.", file=stream)


def _name(rows: Sequence[tuple[Row, str]], stream: TextIO) -> None:
    """What is the matter with each, as far as they can be listed."""
    for row, why in rows[:NAMED_AT_MOST]:
        places = [place for place in (f"line {row.line}", str(row.file or "")) if place not in ("", row.id)]
        where = f" ({', '.join(places)})" if places else ""
        print(printable(f"{row.id}{where}: {why}"), file=stream)
    if len(rows) > NAMED_AT_MOST:
        print(f"… and {len(rows) - NAMED_AT_MOST} more.", file=stream)
