"""From here to the Hub, in one commit: a checkpoint, or whatever else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fv2es.hub import CARD, CONFIG, TOKENIZER, WEIGHTS, Checkpoint, CheckpointError, weights_of
from fv2es.remote.sentences import CONNECT_SECONDS, tell

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo, SpaceInfo

FILES = (CONFIG, WEIGHTS, CARD, TOKENIZER)  # what belongs to a checkpoint, on the Hub as here
MAIN = "main"
PATIENCE = 3  # times HF_HUB_DOWNLOAD_TIMEOUT, by default half a minute: the Hub thinks before it answers a commit


@dataclass(frozen=True)
class Published:
    """Where it went: the repository's address and the commit."""

    address: str
    commit: str


def publish(checkpoint: Checkpoint, repository: str, private: bool = False, revision: str | None = None) -> Published:
    """Put the files of a checkpoint into a repository of the Hub, in one commit; nothing there is deleted.

    Otherwise as `send`. Raises CheckpointError.
    """
    from huggingface_hub import CommitOperationAdd

    files = check_whole(checkpoint)
    return send(
        f"{checkpoint.name!r} could not be published as {repository!r}",
        repository,
        lambda api: [CommitOperationAdd(file.name, file) for file in files],
        f"{checkpoint.name}, version {checkpoint.config.get('version', '?')}",
        private=private,
        revision=revision,
    )


def send(
    sentence: str,
    repository: str,
    changes: Callable[[HfApi], list[Any]],
    message: str,
    *,
    kind: str = "model",
    private: bool = False,
    revision: str | None = None,
    **making: Any,
) -> Published:
    """One commit to a repository of the Hub, which is made where there is none, and so is the branch.

    sentence: what is said, with a reason behind it, where it does not work. changes: the client's operations, asked for
    when the repository and its branch are there. kind: "model" or "space". private: only its owners may see it; an
    existing one must be private already. revision: a branch, by default "main". making: how it is made, as the client's
    `create_repo` has it. Raises CheckpointError.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    silent = "the Hub cannot be reached"
    try:
        with _patience():
            there = _look_up(api, repository, kind)
            silent = "the Hub stopped answering"
            if private and there is not None and not there.private:
                raise CheckpointError(
                    f"{repository!r} is there already and public; what goes into it can be seen by all."
                )
            if there is None:
                api.create_repo(repository, repo_type=kind, private=private or None, **making)
            if revision not in (None, MAIN):
                _have_branch(api, repository, str(revision), kind)
            commit = api.create_commit(
                repository, changes(api), commit_message=message, repo_type=kind, revision=revision
            )
    except CheckpointError:
        raise
    except Exception as error:  # the client's own, its transport's, the system's
        raise CheckpointError(tell(sentence, error, silent)) from error
    folder = "" if kind == "model" else f"{kind}s/"
    return Published(f"{api.endpoint}/{folder}{repository}", commit.oid)


def check_whole(checkpoint: Checkpoint) -> list[Path]:
    """The files of a checkpoint that is fit to be published. Raises CheckpointError."""
    if not (checkpoint.folder / CARD).is_file():
        raise CheckpointError(f"The checkpoint {checkpoint.name!r} has no model card ({CARD}).")
    if not checkpoint.config.get("licence"):
        raise CheckpointError(f"The {CONFIG} of {checkpoint.name!r} names no licence.")
    weights_of(checkpoint)
    source = str(checkpoint.config.get("inputs", {}).get("tokenizer", ""))
    if source.endswith(".json") and (source != TOKENIZER or not (checkpoint.folder / source).is_file()):
        raise CheckpointError(f"The checkpoint {checkpoint.name!r} needs its vocabulary in {TOKENIZER}.")
    return [file for file in (checkpoint.folder / name for name in FILES) if file.is_file()]


def _look_up(api: HfApi, repository: str, kind: str) -> ModelInfo | SpaceInfo | None:
    """What the Hub tells of a repository; None where it shows none of that name."""
    from huggingface_hub.errors import RepositoryNotFoundError

    ask = api.space_info if kind == "space" else api.model_info
    try:
        return ask(repository, timeout=CONNECT_SECONDS)
    except RepositoryNotFoundError:
        return None


def _have_branch(api: HfApi, repository: str, name: str, kind: str) -> None:
    """Make the branch, from the main one, where there is none. Raises CheckpointError for the name of a tag."""
    refs = api.list_repo_refs(repository, repo_type=kind)
    if name in {one.name for one in refs.branches}:
        return
    if name in {one.name for one in refs.tags}:
        raise CheckpointError(f"{name!r} is a tag of {repository!r}, which stays where it is: name a branch.")
    api.create_branch(repository, branch=name, repo_type=kind)


@contextmanager
def _patience() -> Iterator[None]:
    """An end to each silence; of itself the client waits for ever."""
    from huggingface_hub import constants, get_session

    session = get_session()
    before, session.timeout = session.timeout, PATIENCE * constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        yield
    finally:
        session.timeout = before
