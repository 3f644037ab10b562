"""From the Hub into its client's cache: a checkpoint at a commit, a tag or a branch."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fv2es.hub import CARD, CONFIG, TOKENIZER, WEIGHTS, CheckpointError, sha256
from fv2es.remote.download import DamagedError, bring
from fv2es.remote.sentences import CONNECT_SECONDS, out_of_reach, tell

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

FILES = (CONFIG, CARD, TOKENIZER, WEIGHTS)  # the weights last: where they are, the others are
COMMIT = re.compile("[0-9a-f]{40}")

logger = logging.getLogger(__name__)


def fetch(name: str) -> Path:
    """The folder of `ORG/NAME[@revision]` in the Hub's cache. Raises CheckpointError.

    A commit that lies in the cache is taken from there without a question. A branch or a tag is looked up each time;
    where the Hub is out of reach or falls silent, what was fetched last stands in.
    """
    from huggingface_hub import model_info

    repository, _, revision = name.partition("@")
    cached = _cached(repository, revision)
    sound = cached is not None and _is_sound(cached)
    if cached is not None and sound and COMMIT.fullmatch(revision):
        return cached
    silent = "it does not answer"
    try:
        info = model_info(repository, revision=revision or None, timeout=CONNECT_SECONDS)
        silent = "the connection broke off; the next try goes on from there"
        return _download(repository, revision, info)
    except DamagedError as error:
        raise CheckpointError(f"The checkpoint {name!r} could not be fetched from the Hub: {error}.") from error
    except Exception as error:  # the client's own, its transport's, the system's
        if cached is not None and out_of_reach(error):
            logger.warning("%r is taken from the cache, as the Hub cannot be reached.", name)
            return cached
        sentence = f"The checkpoint {name!r} could not be fetched from the Hub"
        raise CheckpointError(tell(sentence, error, silent)) from error


def _download(repository: str, revision: str, info: ModelInfo) -> Path:
    """What is missing of this commit, each file by itself: the client's listing of all of them may wait without end."""
    from huggingface_hub import hf_hub_download

    commit = str(info.sha)
    there = [file for file in FILES if file in {one.rfilename for one in info.siblings or ()}]
    cached = _cached(repository, commit)
    if cached is not None and not _is_sound(cached):
        _forget(cached / WEIGHTS)  # or they would be taken for the right ones
    if WEIGHTS in there and (cached is None or not (cached / WEIGHTS).exists()):
        bring(repository, commit, WEIGHTS)
    folder = Path()
    for file in there:
        folder = Path(hf_hub_download(repository, file, revision=commit, etag_timeout=CONNECT_SECONDS)).parent
    if there and not COMMIT.fullmatch(revision):  # remembers where the name points
        hf_hub_download(repository, there[0], revision=revision or None, etag_timeout=CONNECT_SECONDS)
    return folder


def _cached(repository: str, revision: str) -> Path | None:
    """What lies in the cache for this revision, if all of it does."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, WEIGHTS, revision=revision or None)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _is_sound(folder: Path) -> bool:
    try:
        return json.loads((folder / CONFIG).read_text(encoding="utf-8"))["sha256"] == sha256(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _forget(file: Path) -> None:
    """Delete a file of the cache, and what it points to."""
    for path in (file.resolve(), file):
        path.unlink(missing_ok=True)
