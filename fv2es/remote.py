"""Checkpoints on the Hub: fetched at a revision, published in one commit. HF_ENDPOINT and HF_HUB_OFFLINE are respected.

The Hub's client knows no time-out for most of its questions and tries again for long; so it is asked a short question
first, and what it says is turned into one sentence.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fv2es.hub import CARD, CONFIG, TOKENIZER, WEIGHTS, Checkpoint, CheckpointError, sha256, weights_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

FILES = (CONFIG, WEIGHTS, CARD, TOKENIZER)  # what belongs to a checkpoint, on the Hub as here
CONNECT_SECONDS = 3.0
COMMIT = re.compile("[0-9a-f]{40}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """Where a checkpoint went: the repository's address and the commit."""

    address: str
    commit: str


def fetch(name: str) -> Path:
    """The folder of `ORG/NAME[@revision]` in the Hub's cache. Raises CheckpointError.

    A commit that lies in the cache is taken from there without a question. A branch or a tag is looked up each time;
    where the Hub is out of reach, what was fetched last stands in.
    """
    from huggingface_hub import model_info, snapshot_download

    repository, _, revision = name.partition("@")
    sentence = f"The checkpoint {name!r} could not be fetched from the Hub"
    cached = _cached(repository, revision)
    sound = cached is not None and _is_sound(cached)
    if cached is not None and sound and COMMIT.fullmatch(revision):
        return cached
    try:
        model_info(repository, revision=revision or None, timeout=CONNECT_SECONDS)
    except Exception as error:  # the client's own, its transport's, the system's
        if cached is not None and _out_of_reach(error):
            logger.warning("%r is taken from the cache, as the Hub cannot be reached.", name)
            return cached
        raise CheckpointError(_sentence(sentence, error, "it does not answer")) from error
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(FILES),
            etag_timeout=CONNECT_SECONDS,
            force_download=cached is not None and not sound,  # a damaged file would be taken for the right one
        )
    except Exception as error:
        raise CheckpointError(_sentence(sentence, error, "the connection broke off")) from error
    return Path(folder)


def publish(checkpoint: Checkpoint, repository: str, private: bool = False) -> Published:
    """Put the files of a checkpoint into a repository of the Hub, in one commit; nothing there is deleted.

    The repository is made where there is none. private: only its owners may see it; an existing one must be private
    already. Raises CheckpointError.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    files = check_whole(checkpoint)
    api = HfApi()
    sentence = f"{checkpoint.name!r} could not be published as {repository!r}"
    try:
        there = _look_up(api, repository)
        if private and there is not None and not there.private:
            raise CheckpointError(f"{repository!r} is there already and public; what goes into it can be seen by all.")
        if there is None:
            api.create_repo(repository, private=private or None)
        commit = api.create_commit(
            repository,
            [CommitOperationAdd(file.name, file) for file in files],
            commit_message=f"{checkpoint.name}, version {checkpoint.config.get('version', '?')}",
        )
    except CheckpointError:
        raise
    except Exception as error:  # as above
        raise CheckpointError(_sentence(sentence, error, "the Hub cannot be reached")) from error
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


def _cached(repository: str, revision: str) -> Path | None:
    """What lies in the cache for this revision, if all of it does."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        files = list(FILES)
        folder = snapshot_download(repository, revision=revision or None, allow_patterns=files, local_files_only=True)
    except (OSError, HFValidationError):  # the first is also what the client raises where there is nothing
        return None
    return Path(folder)


def _is_sound(folder: Path) -> bool:
    try:
        return json.loads((folder / CONFIG).read_text(encoding="utf-8"))["sha256"] == sha256(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _out_of_reach(error: Exception) -> bool:
    """No answer at all, or the Hub's own trouble; a refusal is an answer."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return not isinstance(error, HFValidationError)


def _sentence(sentence: str, error: Exception, otherwise: str) -> str:
    logger.debug("%s (%s: %s)", sentence, type(error).__name__, error)
    reason = _reason(error, otherwise)
    return f"{sentence}: {reason}." if reason else f"{sentence}."


def _reason(error: BaseException, otherwise: str) -> str:
    """Why, in words for a person; "" where there is nothing to add."""
    from huggingface_hub import errors

    while isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, errors.OfflineModeIsEnabled | errors.HFValidationError):
        return ""
    known = {
        errors.GatedRepoError: "its owners have to give you access",
        errors.RepositoryNotFoundError: "there is no such repository, or it is not yours to see",
        errors.RevisionNotFoundError: "it has no such revision",
        errors.RemoteEntryNotFoundError: "a file is missing there",
    }
    for kind, reason in known.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return "the token does not allow it" if status in (401, 403) else f"the Hub answers with status {status}"
    if isinstance(error, ValueError):
        card = "Invalid metadata" in str(error)
        return "the head of the model card is not valid" if card else "its answer is not the Hub's"
    return getattr(error, "strerror", None) or otherwise
