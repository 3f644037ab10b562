"""What Gradio forgets: uploads that broke off, which no list of its own has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gradio.utils import get_upload_folder


class Leftovers(set[str]):
    """Goes among a page's `temp_file_sets`, whose files Gradio deletes when they are old enough: looks for them itself.

    keep: seconds.
    """

    def __init__(self, keep: float, folder: Callable[[], str] = get_upload_folder) -> None:
        super().__init__()
        self._keep = keep
        self._folder = folder

    def __iter__(self) -> Iterator[str]:
        for path in Path(self._folder()).glob("tmp*"):  # whole uploads lie in folders of their own
            try:
                if path.is_file() and time.time() - path.lstat().st_mtime > self._keep:
                    yield str(path)
            except OSError:  # another has deleted it
                continue
