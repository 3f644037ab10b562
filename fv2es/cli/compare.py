"""`compare`: all models side by side: sizes, operations, speed, and the quality of trained weights."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fv2es.cli.output import STDOUT, CommandError, check_target, printable, write_json

SIZES, SPEED, QUALITY = "sizes", "speed", "quality"
PARTS = (SIZES, SPEED, QUALITY)
SCHEMA = 1


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "compare",
        help="tables of all models: size, operations, speed, quality",
        description=f"{__doc__} Markdown on standard output; progress on standard error.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="models and checkpoints (see models), or ORG/NAME of the Hub (default: all that are here)",
    )
    parser.add_argument(
        "--parts",
        default=",".join(PARTS),
        metavar="PART,…",
        help="some of sizes (parameters and operations), speed, and quality (of checkpoints) (default: all)",
    )
    default = Path(os.environ.get("FV2ES_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="the data folder (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw confusion matrices there, as PNG and SVG")
    parser.add_argument("--json", metavar="OUT", help="write everything to OUT; - is standard output")
    parser.add_argument("--repeats", type=_count, default=3, help="how often speed is measured (default: %(default)s)")
    parser.add_argument("--batch", type=_count, default=8, help="utterances at once for speed (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="where speed is measured, such as cuda (default: %(default)s)")
    parser.add_argument(
        "--speech", default="auto", help="who transcribes the clips: auto, none, whisper or pocketsphinx"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    check_target("--json", options.json)
    wanted = parse_parts(options.parts)
    if QUALITY in wanted and not options.data.is_dir():
        raise CommandError(f"There is no data folder {options.data}; --data names it, or leave out {QUALITY}.")
    if SPEED in wanted:
        from fv2es.training.run import check_device

        check_device(options.device)
    models, checkpoints = choose(options.names)
    if wanted == (QUALITY,) and not checkpoints:
        raise CommandError(
            "None of these has trained weights, which is what quality is measured of; `models` lists them."
        )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"schema": SCHEMA, "models": [], "speed": None, "checkpoints": [], "ablations": []}
    if {SIZES, SPEED} & set(wanted):
        document |= _costs(models, wanted, options)
    if QUALITY in wanted:
        from fv2es.comparison.document import qualities

        document |= qualities(checkpoints, options.data, say, options.speech)
        if options.out:
            _draw(document["checkpoints"], options.out)
    from fv2es.comparison.tables import markdown

    print(markdown(document), end="", file=sys.stderr if options.json == STDOUT else sys.stdout)
    if options.json:
        write_json(options.json, document)
    return 0


def say(line: str) -> None:
    """Progress: a run takes minutes."""
    print(printable(line), file=sys.stderr, flush=True)


def parse_parts(text: str) -> tuple[str, ...]:
    """ "speed,sizes" → ("sizes", "speed")."""
    wanted = {name.strip() for name in text.split(",")}
    if not wanted <= set(PARTS):
        raise CommandError(f"--parts takes some of {', '.join(PARTS)}, with commas between; got {text!r}.")
    return tuple(name for name in PARTS if name in wanted)


def choose(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Registered models and checkpoints that are meant; a name may be both."""
    from fv2es.hub import list_checkpoints, open_checkpoint
    from fv2es.models.registry import list_models

    registered, here = list_models(), list_checkpoints()
    if not names:
        return list(registered), list(here)
    for name in names:
        if name not in registered and name not in here and "/" not in name:
            raise CommandError(f"{name!r} is neither a model nor a checkpoint that is here; `models` lists both.")
    checkpoints = [name for name in dict.fromkeys(names) if name in here or "/" in name]
    models = [name if name in registered else open_checkpoint(name).architecture for name in names]
    return list(dict.fromkeys(models)), checkpoints


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def _costs(models: Sequence[str], wanted: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    from fv2es.comparison import cost

    timed = list(dict.fromkeys([cost.BASELINE, *models])) if SPEED in wanted else []
    rows: dict[str, dict[str, Any]] = {name: {"name": name} for name in timed or models}
    if SIZES in wanted:
        for name, row in rows.items():
            row.update(cost.sizes(name))
            say(f"{name}: counted")
    if not timed:
        return {"models": list(rows.values())}
    ready = {name: cost.ready(name, options.device) for name in timed}
    say(f"{len(ready)} models take turns, {options.repeats} + 1 times")
    taken = cost.take_turns(ready, options.repeats, options.batch, options.device)
    for name, seconds in cost.speeds(taken).items():
        rows[name]["seconds"] = seconds
    speed = {"machine": cost.machine(options.device), "batch": options.batch, "repeats": options.repeats}
    return {"models": list(rows.values()), "speed": speed}


def _draw(checkpoints: Sequence[dict[str, Any]], folder: Path) -> None:
    from fv2es.comparison.tables import panels
    from fv2es.views.confusion import confusion_figure, save_figure

    for one in checkpoints:
        figure = confusion_figure(*panels(one), title=one["name"])
        for ending in ("png", "svg"):
            path = folder / f"confusion-{one['name'].replace('/', '--')}.{ending}"
            save_figure(figure, path)
            say(f"{path} drawn")
