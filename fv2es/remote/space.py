"""What a Space of the Hub needs of this repository, and how it gets there: in one commit."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fv2es.hub import CONFIG, CheckpointError, folders, open_checkpoint
from fv2es.remote.publishing import Published, check_whole, send

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).parents[2]
README = "README.md"
FILES = (README, "LICENSE", "app.py", "requirements.txt", "packages.txt")
CODE = (".py", ".css", ".js", ".toml")  # of the package
EXAMPLES = (".mp4", ".srt", ".md")
OURS = ("fv2es/", "checkpoints/", "examples/")  # of which nothing stays there that is no longer here
MARK = "fv2es/__init__.py"  # by which a Space of ours is known
SHELL = {".gitattributes", ".gitignore", README}  # what a Space has that holds nothing yet


class SpaceError(CheckpointError):
    """A Space cannot be put together or sent; the message is one sentence for a person."""


def collect(checkpoints: Sequence[str] = (), root: Path = ROOT) -> dict[str, Path]:
    """Path in the Space → file here, sorted.

    Of a git checkout only what git knows of, as it is on disk now; of other folders what the package consists of.
    checkpoints: names of those that go along; without any, all that are here (in a checkout: and belong to it).
    Raises SpaceError, and CheckpointError for a checkpoint that is not fit to be shown to others.
    """
    if lacking := [name for name in FILES if not (root / name).is_file()]:
        raise SpaceError(
            f"A Space needs {' and '.join(lacking)}, which this installation of fv2es has not: "
            "deploy from a checkout of its repository."
        )
    text = (root / README).read_text(encoding="utf-8")
    if not re.match(r"---\n(?:.*\n)*?sdk: gradio\n(?:.*\n)*?---\n", text):
        raise SpaceError(f"The {README} has no head that tells the Hub what to run (sdk: gradio).")
    known = _known(root)
    found = {path: root / path for path in (*FILES, *_pictures(text), *_code_and_examples(root))}
    if known is not None:
        found = {path: file for path, file in found.items() if path in known}
    for name in checkpoints or _belonging(root, known):
        found |= {f"checkpoints/{name}/{file.name}": file for file in check_whole(open_checkpoint(name))}
    return dict(sorted(found.items()))


def deploy(
    files: Mapping[str, Path],
    repository: str,
    private: bool = False,
    revision: str | None = None,
    hardware: str | None = None,
) -> Published:
    """Send what `collect` has found to a Space, in one commit, and take away what is there of ours and no longer here.

    hardware: what a Space that is made now runs on, as the Hub names it. A Space that holds something else is left
    alone. Otherwise as `send`. Raises CheckpointError.
    """

    def changes(api: HfApi) -> list[Any]:
        there = set(api.list_repo_files(repository, repo_type="space", revision=revision))
        if MARK not in there and there - SHELL:
            raise SpaceError(f"The Space {repository!r} is there already and holds something else.")
        return _operations(files, there)

    try:
        return send(
            f"The Space {repository!r} could not be deployed",
            repository,
            changes,
            "FV2ES",
            kind="space",
            private=private,
            revision=revision,
            space_sdk="gradio",
            space_hardware=hardware,
        )
    except CheckpointError as error:
        if getattr(getattr(error.__cause__, "response", None), "status_code", None) == 402:
            raise SpaceError(
                f"The Space {repository!r} could not be made: the Hub wants to be paid for that hardware; "
                "`--hardware zero-a10g` (ZeroGPU) may be free for you."
            ) from error
        raise


def _operations(files: Mapping[str, Path], there: Collection[str]) -> list[Any]:
    """In the client's words: everything is added, which leaves out what is the same; what is stale goes."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    stale = sorted(path for path in there if path.startswith(OURS) and path not in files)
    return [
        *(CommitOperationAdd(path, file) for path, file in files.items()),
        *(CommitOperationDelete(path) for path in stale),
    ]


def _known(root: Path) -> set[str] | None:
    """What git knows of; None where it is no checkout, or where there is no git."""
    if not (root / ".git").exists():
        return None
    try:
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return set(listed.stdout.decode().split("\0"))


def _code_and_examples(root: Path) -> Iterator[str]:
    for path in (root / "fv2es").rglob("*"):
        if path.suffix in CODE and path.is_file():
            yield path.relative_to(root).as_posix()
    for path in (root / "examples").glob("*"):
        if path.suffix in EXAMPLES and path.is_file():
            yield path.relative_to(root).as_posix()


def _pictures(readme: str) -> list[str]:
    """Those that the README shows, not those that it only links to."""
    return [one for one in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", readme) if "://" not in one]


def _belonging(root: Path, known: Collection[str] | None) -> list[str]:
    """Names of the checkpoints that are here; in a checkout, of those that belong to it."""
    is_ours: Callable[[Path], bool] = lambda path: True  # noqa: E731
    if known is not None and folders() == root / "checkpoints":
        is_ours = lambda path: path.relative_to(root).as_posix() in known  # noqa: E731
    return sorted(path.parent.name for path in folders().glob(f"*/{CONFIG}") if is_ours(path))
