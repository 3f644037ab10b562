"""`deploy`: put the page into a Space of the Hub, in one commit, or all that a Space needs into a folder."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from fv2es.cli.output import CommandError
from fv2es.cli.publish import REPOSITORY, check_branch, check_client


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("deploy", help="put the page into a Space of the Hub", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--space", metavar="ORG/NAME", help="where to; made where there is none")
    where.add_argument("--folder", type=Path, metavar="DIR", help="an empty folder instead, without a network")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME",
        help="a checkpoint that goes along, and no others; may be given again (default: all that are here)",
    )
    parser.add_argument("--revision", metavar="BRANCH", help="which branch; made where there is none (default: main)")
    parser.add_argument("--private", action="store_true", help="only its owners may see the Space")
    parser.add_argument("--hardware", metavar="NAME", help="of a Space that is made now, such as zero-a10g")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.space is not None and not REPOSITORY.fullmatch(options.space):
        raise CommandError(f"{options.space!r} is not the name of a Space: ORG/NAME is needed.")
    if strange := [name for name in options.checkpoint if "/" in name]:
        raise CommandError(f"{strange[0]!r} is not a checkpoint that is here; FV2ES_CHECKPOINT names those of the Hub.")
    check_branch(options.revision)
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # as `publish` has it
    from fv2es.remote import collect, deploy

    files = collect(options.checkpoint)
    size = sum(file.stat().st_size for file in files.values()) / 1e6
    if options.folder is not None:
        _write(files, options.folder)
        print(f"{len(files)} files, {size:.1f} MB, are in {options.folder}.")
        return 0
    check_client()
    deployed = deploy(files, options.space, options.private, options.revision, options.hardware)
    print(f"{len(files)} files, {size:.1f} MB, are at {deployed.address}, commit {deployed.commit}.")
    print("The Hub builds it now, for some minutes; that page shows how far it is.")
    return 0


def _write(files: Mapping[str, Path], folder: Path) -> None:
    """Raises CommandError where there is something in the folder already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} is not an empty folder.")
    for path, file in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
