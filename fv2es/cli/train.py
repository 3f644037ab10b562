"""`train`: hands its arguments to `fv2es.training.main`."""

from __future__ import annotations

import argparse


def add_to(commands: argparse._SubParsersAction) -> None:
    words = "train a whole model by a recipe, or a compact one part by part (train --help tells more)"
    commands.add_parser("train", add_help=False, help=words).set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Everything behind the word train is in `options.rest`, unparsed."""
    from fv2es.training.main import main

    return main(options.rest)
