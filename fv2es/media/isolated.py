"""A file whose decoding is somebody else's risk: a child of this process does it (`child`), this is what one holds."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from math import inf

from fv2es.limits import Limits
from fv2es.media import rules
from fv2es.media.process import Cancelled, Child, Decoders, Ended
from fv2es.media.relay import Relay
from fv2es.media.rules import MediaError
from fv2es.media.wire import Message
from fv2es.schema import SAMPLE_RATE, Frame, Sound

GRACE = 2.0  # seconds that a child has for ending a pass by itself when its time is over

logger = logging.getLogger(__name__)


class Media:
    """One open file. `has_audio`, `has_video`, `is_picture` say what is in it; `duration` is the header's word.

    `seconds_read` grows while `read` runs; `notes` are clear sentences about what was left out. `close` may be called
    from any thread and ends whatever is under way within a moment.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limits: Limits,
        decoders: Decoders | None = None,
        cancel: Callable[[], bool] = lambda: False,
    ) -> None:
        self.limits = limits
        self.seconds_read = 0.0
        self.notes: list[str] = []
        self.has_audio = self.has_video = self.is_picture = False
        self.duration: float | None = None
        self.fps: float | None = None  # pictures a second, in the header's word
        self._path = os.path.abspath(path)
        self._decoders = decoders
        self._cancel = cancel
        self._closed = False
        self._numbers = 0
        self._relay: Relay | None = None  # of the pass that the child is busy with
        self._opened = False
        self._refusal: str | None = None
        self._left = limits.decode_seconds  # of decoding, over all passes
        self._child = self._another()
        try:
            self._open()
        except Cancelled:
            self.close()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child and free the file; more than once is no error."""
        if not self._closed:
            self._closed = True
            self._child.end()

    def read(
        self,
        frame_times: Iterable[float] = (),
        start: float = 0.0,
        end: float = inf,
        *,
        sound: bool = True,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
    ) -> Iterator[Sound | Frame]:
        """One pass over [start, end) in stream order.

        Sound comes in blocks without gaps from `start` on: where the file has none, there is silence. For each of
        `frame_times` (increasing seconds) comes the frame that is shown then, as soon as it is known, scaled so that
        its longer side is at most 1280 pixels; the times are taken a few hundred ahead. A damaged tail ends the pass
        with a note, and so does a decoder that crashes, or takes too long or too much memory, after something was
        read. Raises MediaError where nothing at all can be decoded, or a limit on the pictures is broken. `sound`:
        False leaves the sound out; `rate` (Hz) and `channels` (1 or 2) say in which form it comes. May be called again
        for another pass, which ends the one before. Raises Cancelled when `cancel` says so, or the file is closed
        meanwhile.
        """
        if self._closed:
            raise ValueError("this file was closed")
        yield from self._read(frame_times, [start, end, sound, rate, channels])

    @property
    def pid(self) -> int:
        """Of the process that decodes."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Is that process there?"""
        return self._child.alive

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _another(self) -> Child:
        return self._decoders.take() if self._decoders else Child()

    def _open(self) -> None:
        limits = replace(self.limits, decode_seconds=max(self._left, 1e-9))
        try:
            self._child.say("open", self._path, asdict(limits))
            while not self._opened:
                self._hear()
        except Ended as ended:
            raise MediaError(ended.sentence) from ended

    def _read(self, frame_times: Iterable[float], options: Message) -> Iterator[Sound | Frame]:
        self._settle()
        self._numbers += 1
        times = (float(time) for time in frame_times if time >= options[0]) if self.has_video else iter(())
        relay = self._relay = Relay(self._numbers, times)
        given = False
        try:
            self._child.say("read", relay.number, *options)
            while not relay.over:
                self._next(relay)
                if relay.event is not None:
                    event, relay.event, given = relay.event, None, True
                    yield event
        except Ended as ended:
            relay.over = True
            if not given:
                raise MediaError(ended.sentence) from ended
            self.note(ended.tail)
        finally:
            self._relay = None if relay.over else relay
            self._give_up(relay)
        if relay.refusal is not None:
            raise MediaError(relay.refusal)

    def _next(self, relay: Relay) -> None:
        """Say what is to be said, then wait for the next message."""
        for order in relay.orders():
            self._child.say(*order)
        self._hear()
        self.seconds_read = max(self.seconds_read, relay.seconds_read)

    def _give_up(self, relay: Relay) -> None:
        """Its reader has gone before its end."""
        if not relay.over and not self._closed:
            with suppress(Ended, Cancelled):
                self._child.say("stop", relay.number)

    def _settle(self) -> None:
        """Bring the child to where it waits for the next pass; a new one where the old one is no more."""
        with suppress(Ended):
            while self._relay is not None and not self._relay.over:
                self._next(self._relay)
        self._relay = None
        if not self._child.alive and not self._closed:
            self._child.end()
            self._child, self._opened = self._another(), False
            self._open()

    def _hear(self) -> None:
        began, counts = time.monotonic(), self._child.ready
        try:
            self._child.hear(self._left + GRACE, self._cancel, self._take)
        finally:
            if counts:
                self._left -= time.monotonic() - began
        if self._refusal is not None:
            raise MediaError(self._refusal)

    def _take(self, message: Message) -> None:
        word, *rest = message
        if word == "opened":
            self.has_audio, self.has_video, self.is_picture = map(bool, rest[:3])
            self.duration, self.fps = (None if one is None else float(one) for one in rest[3:])
            self._opened = True
        elif word == "note":
            self.note(str(rest[0])[:300])
        elif word == "failed":
            logger.error("A decoding child failed: %r", str(rest[0])[:1000])
            raise Ended(rules.CRASHED, rules.CRASHED_TAIL)
        elif word == "refused" and rest[0] == 0:
            self._refusal = str(rest[1])[:300]
        elif self._relay is not None:
            self._relay.take(message, self._child.memory)
        elif word != "ready":
            raise ValueError(f"{word!r} was not expected")
