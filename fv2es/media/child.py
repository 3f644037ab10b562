"""The process in which a stranger's file is decoded: `python -m fv2es.media.child MEMORY SIZE`, started by `process`,
or forked from the `nursery`.

It reads one file with `plain`, speaks `wire` on its standard input and output, and ends with its parent.
"""

from __future__ import annotations

import mmap
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np

from fv2es.limits import Limits
from fv2es.media import rules
from fv2es.media.plain import PlainMedia
from fv2es.media.rules import MediaError
from fv2es.media.sandbox import confine
from fv2es.media.wire import Lines, Message, Ring, send
from fv2es.schema import Sound
from fv2es.traces import places

REFUSED, FAILED = "refused", "failed"


class Stopped(Exception):
    """Nobody wants the rest of this pass."""


class Inbox:
    """What the parent says, taken in by a thread of its own, so that its end is noticed whatever the decoder does."""

    def __init__(self, handle: int) -> None:
        self._lines = Lines(handle)
        self._commands: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._freed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._times: queue.SimpleQueue[tuple[int, list[float]]] = queue.SimpleQueue()
        self.stopped = 0  # the number of the last pass that was given up
        threading.Thread(target=self._listen, daemon=True).start()

    def command(self) -> Message:
        return self._commands.get()

    def freed(self) -> int:
        """Bytes of the ring that have been given back, at least one."""
        return self._freed.get()

    def times(self, number: int, media: PlainMedia) -> Iterator[float]:
        """The frame times of a pass, as the parent sends them; an empty batch is the last."""
        while True:
            began = time.monotonic()
            whose, batch = self._times.get()
            media.excuse(time.monotonic() - began)
            if whose != number:
                continue
            if not batch:
                return
            yield from batch

    def _listen(self) -> None:
        while self._lines.fill():
            while message := self._lines.ready():
                self._sort(message)
        os._exit(0)  # the parent has gone, or wants no more

    def _sort(self, message: Message) -> None:
        word, *rest = message
        if word == "free":
            self._freed.put(rest[0])
        elif word == "times":
            self._times.put((rest[0], rest[1]))
        elif word == "stop":
            self.stopped = rest[0]
            self._times.put((rest[0], []))  # should it wait for more
        else:
            self._commands.put(message)


class Outbox:
    """What the child says."""

    def __init__(self, handle: int, memory: mmap.mmap, inbox: Inbox) -> None:
        self._handle = handle
        self._bytes = np.frombuffer(memory, np.uint8)
        self._inbox = inbox
        self._ring = Ring(len(memory), inbox.freed)
        self._noted = 0

    def say(self, *message: object) -> None:
        send(self._handle, list(message))

    def deliver(self, number: int, media: PlainMedia, **options: object) -> None:
        """One pass. Raises Stopped when its reader has gone."""
        last: np.ndarray | None = None
        for event in media.read(self._inbox.times(number, media), **options):  # type: ignore[arg-type]
            if self._inbox.stopped >= number:
                raise Stopped
            self.note(media)
            if isinstance(event, Sound):
                place = self._put(event.samples)
                self.say("sound", number, media.seconds_read, *place, event.time, event.rate, *event.samples.shape)
            elif event.pixels is last:
                self.say("again", number, media.seconds_read, event.time)
            else:
                last = event.pixels
                self.say("frame", number, media.seconds_read, *self._put(last), event.time, *last.shape[:2])

    def note(self, media: PlainMedia) -> None:
        """Sentences that have not been said yet."""
        for sentence in media.notes[self._noted :]:
            self.say("note", sentence)
        self._noted = len(media.notes)

    def _put(self, array: np.ndarray) -> tuple[int, int]:
        begin, cost = self._ring.take(array.nbytes)
        self._bytes[begin : begin + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return begin, cost


def serve(inbox: Inbox, outbox: Outbox) -> None:
    """Open what the first command names, then one pass a command, until the parent has had enough."""
    _, path, limits = inbox.command()
    limits = Limits(**limits)
    confine(limits)
    with PlainMedia(path, limits) as media:
        found = [media.has_audio, media.has_video, media.is_picture, media.duration, media.fps]
        outbox.say("opened", *found)
        while True:
            _, number, start, end, sound, rate, channels = inbox.command()
            try:
                outbox.deliver(number, media, start=start, end=end, sound=sound, rate=rate, channels=channels)
            except Stopped:
                pass
            except MediaError as error:
                outbox.note(media)
                outbox.say(REFUSED, number, str(error))
                continue
            outbox.note(media)
            outbox.say("done", number, media.seconds_read)


def main(memory: int, size: int) -> None:
    """memory: the descriptor of `size` bytes that are shared."""
    speak = os.dup(1)
    os.dup2(2, 1)  # should a decoder print
    inbox = Inbox(0)
    outbox = Outbox(speak, mmap.mmap(memory, size), inbox)
    import av  # noqa: F401  before it says that it is ready

    try:
        outbox.say("ready")
        serve(inbox, outbox)
    except MediaError as error:
        outbox.say(REFUSED, 0, str(error))
    except MemoryError:
        outbox.say(REFUSED, 0, rules.TOO_BIG)
    except OSError:  # nobody listens any more
        return
    except Exception as error:
        outbox.say(FAILED, f"{type(error).__name__}, {' '.join(places(error))}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
