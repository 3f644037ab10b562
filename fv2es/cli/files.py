"""The files that `analyse` leaves behind, beside what it prints: `docs/json.md`, `docs/files.md`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from fv2es.cli.output import STDOUT, CommandError, Progress, check_target, write_json

# Option → how its target is shown, and what is written there.
FILES = {
    "json": ("OUT", "write all results to OUT; - is standard output"),
    "csv": ("OUT.csv", "write a table, one row an utterance"),
    "srt": ("OUT.srt", "write subtitles with emotion tags"),
    "vtt": ("OUT.vtt", "write subtitles with emotion tags, as WebVTT"),
    "attention": ("OUT.npz", "write the attention maps of the voice model"),
    "bundle": ("OUT.zip", "write all of these, and a README, into one file"),
    "video": ("OUT.mp4", "draw bars and transcript beside the clip's picture"),
}
TEXTS = ("csv", "srt", "vtt")


def add_to(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    for name, (target, help_) in FILES.items():
        group.add_argument(f"--{name}", metavar=target, help=help_)


def check(options: argparse.Namespace) -> None:
    """Before the work begins: can everything be written, and to a place of its own? Raises CommandError."""
    taken = {Path(options.clip).resolve(): "the clip", Path(options.speech).resolve(): "the subtitles"}
    for name in FILES:
        option, target = f"--{name}", getattr(options, name)
        if target == STDOUT and name != "json":
            raise CommandError(f"{option} needs the name of a file; only --json may write to standard output.")
        check_target(option, target)
        path = None if target in (None, STDOUT) else Path(target).resolve()
        if path is None or (path.exists() and not path.is_file()):  # /dev/null has room for all
            continue
        if path in taken:
            raise CommandError(f"{option} {target} would be written over {taken[path]}.")
        taken[path] = option


def wants_attention(options: argparse.Namespace) -> bool:
    return options.attention is not None or options.bundle is not None


def write(
    options: argparse.Namespace, document: Mapping[str, Any], attention: IO[bytes], attends: bool, progress: Progress
) -> None:
    """All that was asked for. attention: the arrays as a file; attends: is there any in it?"""
    from fv2es.atomic import atomic_file
    from fv2es.takeaway.bundle import encode, texts, write_bundle

    if options.json:
        write_json(options.json, document)
    content = texts(document) if any(getattr(options, name) for name in TEXTS) else {}
    for name in TEXTS:
        if target := getattr(options, name):
            with atomic_file(target) as stream:
                stream.write(encode(content[name]))
    if options.attention:
        attention.seek(0)
        with atomic_file(options.attention) as stream:
            shutil.copyfileobj(attention, stream)
    if options.bundle:
        attention.seek(0)
        with atomic_file(options.bundle) as stream:
            write_bundle(stream, document, attention if attends else None)
    if options.video:
        _draw(options, document, progress)


def _draw(options: argparse.Namespace, document: Mapping[str, Any], progress: Progress) -> None:
    from fv2es.media import MediaError
    from fv2es.takeaway import annotate

    whole = document["duration"] or 1.0
    progress.update(0, whole)
    try:
        with closing(annotate(options.clip, document, options.video)) as shares:
            for share in shares:
                progress.update(share * whole, whole)
    except MediaError as error:
        raise CommandError(f"{options.clip}: {error}") from error
    progress.say(f"Drawn: {options.video}", sys.stderr)
