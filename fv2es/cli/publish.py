"""`publish`: put a checkpoint that is here into a repository of the Hub, in one commit."""

from __future__ import annotations

import argparse
import os
import re

from fv2es.cli.output import CommandError

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
BRANCH = re.compile(r"(?!refs/)[\w](?:[\w.-]|/(?!/))*(?<![./])", re.ASCII)
COMMIT = re.compile("[0-9a-f]{40}")


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("publish", help="put a checkpoint into a repository of the Hub", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="a checkpoint that is here (see models)")
    parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="where to; made where there is none")
    parser.add_argument("--revision", metavar="BRANCH", help="which branch; made where there is none (default: main)")
    parser.add_argument("--private", action="store_true", help="only its owners may see the repository")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if not REPOSITORY.fullmatch(options.repo):
        raise CommandError(f"{options.repo!r} is not the name of a repository: ORG/NAME is needed.")
    if "/" in options.name:
        raise CommandError(f"{options.name!r} is not a checkpoint that is here.")
    check_branch(options.revision)
    # The client hands uploads to Xet's library without asking whether the Hub at HF_ENDPOINT has such a store, and that
    # library waits without end. Plain HTTP is always there; HF_HUB_DISABLE_XET=0 has it the other way.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    from fv2es.hub import open_checkpoint
    from fv2es.remote import check_whole, publish

    checkpoint = open_checkpoint(options.name)
    check_whole(checkpoint)
    check_client()
    published = publish(checkpoint, options.repo, options.private, options.revision)
    print(f"{options.name} is at {published.address}, commit {published.commit}.")
    print(f"It is used with --model {options.repo}@{published.commit}")
    return 0


def check_branch(name: str | None) -> None:
    """Raises CommandError where nothing can be published under this name of a revision."""
    if name is None:
        return
    if COMMIT.fullmatch(name):
        raise CommandError(f"{name!r} is a commit, which stays as it is: name a branch.")
    if not BRANCH.fullmatch(name) or ".." in name:
        raise CommandError(f"{name!r} is not the name of a branch.")


def check_client() -> None:
    """Raises CommandError where nobody is logged in, or nothing may be asked."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise CommandError("HF_HUB_OFFLINE is set: nothing can be published.")
    if not get_token():
        raise CommandError("The Hub wants to know who publishes: run `hf auth login`, or set HF_TOKEN.")
