"""What Gradio does not clear away by itself: uploads that broke off, folders that are empty, visitors who have gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder


class Steady(set[str]):
    """Stands for one of a page's `temp_file_sets`, which visitors' threads fill while Gradio looks through it: shows it
    as it is when somebody begins, as an error would end the looking for as long as the server runs."""

    def __init__(self, files: set[str]) -> None:
        super().__init__()
        self._files = files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files.copy())

    def __isub__(self, gone: Any) -> Steady:  # type: ignore[misc,override]
        self._files.difference_update(gone)
        return self


class Leftovers(set[str]):
    """Goes among a page's `temp_file_sets`, whose files Gradio deletes when they are old enough: looks for them itself.

    keep: seconds.
    """

    def __init__(self, keep: float, folder: Callable[[], str] = get_upload_folder) -> None:
        super().__init__()
        self._keep = keep
        self._folder = folder

    def __iter__(self) -> Iterator[str]:
        for path in Path(self._folder()).glob("*"):
            with suppress(OSError):  # another has deleted it
                if time.time() - path.lstat().st_mtime <= self._keep or path.is_symlink():
                    continue
                if path.is_dir():
                    path.rmdir()  # unless something is in it
                elif path.name.startswith("tmp") and path.is_file():  # whole uploads lie in folders of their own
                    yield str(path)


class Departed(set[str]):
    """Goes there, too, and has no files: when Gradio looks, it lets go of visitors who have not been here for `keep`
    seconds and whose state is gone. Gradio itself keeps the last value of every part of the page, and so faces and
    words, until many others have come.
    """

    def __init__(self, demo: Any, keep: float) -> None:
        super().__init__()
        self._demo = demo
        self._keep = timedelta(seconds=keep)

    def __iter__(self) -> Iterator[str]:
        holder = self._demo.state_holder
        for name, visitor in list(holder.session_data.items()):
            used = holder.time_last_used.get(name, datetime.min)
            if not visitor.state_data and datetime.now() - used > self._keep:
                holder.session_data.pop(name, None)
                holder.time_last_used.pop(name, None)
        return iter(())
