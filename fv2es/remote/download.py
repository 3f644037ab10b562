"""Large files: a download that broke off goes on where it stopped, also in another process on another day.

The client throws away what it has of a file when a download ends early, and leaves repositories with Xet storage to a
library that waits without end. So weights are asked for over plain HTTP, which the Hub has for every file, with a
time-out on every silence (HF_HUB_DOWNLOAD_TIMEOUT), and put where the client looks for them: among the blobs of its
cache, under their SHA-256.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fv2es.remote.sentences import CONNECT_SECONDS, out_of_reach

TRIES = 3  # connections in a row that bring nothing, before giving up
PAUSE = 1.0  # seconds between two of them
SHA256 = re.compile("[0-9a-f]{64}")

logger = logging.getLogger(__name__)


class DamagedError(Exception):
    """What came is not what the Hub has under that name."""


def bring(repository: str, commit: str, file: str) -> None:
    """Have a large file among the blobs of the client's cache; one that the Hub keeps as a small file is left to it.

    Raises what the client and its transport raise, and DamagedError.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock

    url = hf_hub_url(repository, file, revision=commit)
    found = get_hf_file_metadata(url, timeout=CONNECT_SECONDS)
    if found.etag is None or found.size is None or not SHA256.fullmatch(found.etag):
        return
    folder = repo_folder_name(repo_id=repository, repo_type="model")
    blob = Path(constants.HF_HUB_CACHE, folder, "blobs", found.etag)
    lock = Path(constants.HF_HUB_CACHE, ".locks", folder, f"{found.etag}.part.lock")
    for path in (blob, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if not blob.exists():
            part = blob.with_suffix(".part")
            _fill(part, url, found.size, f"{repository} {file}")
            with part.open("rb") as data:
                right = hashlib.file_digest(data, "sha256").hexdigest() == found.etag
            if not right:
                part.unlink()
                raise DamagedError(f"{file} is not what the Hub has (SHA-256 differs)")
            part.replace(blob)


def _fill(part: Path, url: str, size: int, title: str) -> None:
    """Connect until `part` has all its bytes; gives up after a few connections that bring none."""
    if _size(part) > size:
        part.unlink()
    fruitless = 0
    with _progress(part, size, title) as report:
        while (before := _size(part)) < size:
            failed: Exception | None = None
            try:
                for _ in _append(part, url):
                    report()
            except Exception as error:  # the client's own, its transport's, the system's
                if not out_of_reach(error):
                    raise
                failed = error
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= TRIES:
                raise failed or ConnectionError("the server sends nothing")
            if _size(part) < size:
                logger.warning("%s broke off at %s (%s).", title, _megabytes(_size(part)), type(failed).__name__)
                time.sleep(PAUSE)


def _append(part: Path, url: str) -> Iterator[None]:
    """One connection: what is missing of `part`, chunk by chunk."""
    from huggingface_hub import constants, get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if have := _size(part):
        headers["Range"] = f"bytes={have}-"
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer:
        hf_raise_for_status(answer)
        with part.open("ab" if answer.status_code == 206 else "wb") as out:
            for chunk in answer.iter_bytes():
                out.write(chunk)
                yield


@contextmanager
def _progress(part: Path, size: int, title: str):
    """A bar where somebody watches, and a line in the log at every quarter."""
    from huggingface_hub.utils import tqdm

    said = 4 * _size(part) // size if size else 4
    logger.info("%s: %s of %s are here.", title, _megabytes(_size(part)), _megabytes(size))
    with tqdm(total=size, initial=_size(part), unit="B", unit_scale=True, desc=title, disable=None) as bar:

        def report() -> None:
            nonlocal said
            have = part.stat().st_size
            bar.update(have - bar.n)
            if 4 * have // size > said:
                said = 4 * have // size
                logger.info("%s: %d %%.", title, 25 * said)

        yield report


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
