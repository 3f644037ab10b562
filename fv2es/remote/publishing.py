"""From here to the Hub: a checkpoint, in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fv2es.hub import CARD, CONFIG, TOKENIZER, WEIGHTS, Checkpoint, CheckpointError, weights_of
from fv2es.remote.sentences import CONNECT_SECONDS, tell

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

FILES = (CONFIG, WEIGHTS, CARD, TOKENIZER)  # what belongs to a checkpoint, on the Hub as here
MAIN = "main"
PATIENCE = 3  # times HF_HUB_DOWNLOAD_TIMEOUT, by default half a minute: the Hub thinks before it answers a commit


@dataclass(frozen=True)
class Published:
    """Where a checkpoint went: the repository's address and the commit."""

    address: str
    commit: str


def publish(checkpoint: Checkpoint, repository: str, private: bool = False, revision: str | None = None) -> Published:
    """Put the files of a checkpoint into a repository of the Hub, in one commit; nothing there is deleted.

    The repository is made where there is none, and so is the branch. private: only its owners may see it; an existing
    one must be private already. revision: a branch, by default "main". Raises CheckpointError.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    files = check_whole(checkpoint)
    api = HfApi()
    silent = "the Hub cannot be reached"
    try:
        with _patience():
            there = _look_up(api, repository)
            silent = "the Hub stopped answering"
            if private and there is not None and not there.private:
                raise CheckpointError(
                    f"{repository!r} is there already and public; what goes into it can be seen by all."
                )
            if there is None:
                api.create_repo(repository, private=private or None)
            if revision not in (None, MAIN):
                _have_branch(api, repository, str(revision))
            commit = api.create_commit(
                repository,
                [CommitOperationAdd(file.name, file) for file in files],
                commit_message=f"{checkpoint.name}, version {checkpoint.config.get('version', '?')}",
                revision=revision,
            )
    except CheckpointError:
        raise
    except Exception as error:  # the client's own, its transport's, the system's
        sentence = f"{checkpoint.name!r} could not be published as {repository!r}"
        raise CheckpointError(tell(sentence, error, silent)) from error
    return Published(f"{api.endpoint}/{repository}", commit.oid)


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


def _look_up(api: HfApi, repository: str) -> ModelInfo | None:
    """What the Hub tells of a repository; None where it shows none of that name."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repository, timeout=CONNECT_SECONDS)
    except RepositoryNotFoundError:
        return None


def _have_branch(api: HfApi, repository: str, name: str) -> None:
    """Make the branch, from the main one, where there is none. Raises CheckpointError for the name of a tag."""
    refs = api.list_repo_refs(repository)
    if name in {one.name for one in refs.branches}:
        return
    if name in {one.name for one in refs.tags}:
        raise CheckpointError(f"{name!r} is a tag of {repository!r}, which stays where it is: name a branch.")
    api.create_branch(repository, branch=name)


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
