"""Which models the page offers: those that ship, then those that its host names in FV2ES_CHECKPOINT.

A model is loaded when it is first asked for, once for all visitors, and a few stay loaded.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fv2es.hub import CARD, Checkpoint, CheckpointError, list_checkpoints, open_checkpoint, weights_of
from fv2es.reader import Reader, reader_of

VARIABLE = "FV2ES_CHECKPOINT"  # names as `--model` takes them, with commas between
STANDARD = "v2em-compact"
KEPT = 4  # models that stay loaded
SHOWN = 7  # letters of a commit that tell it from others
CAPITALS = {"v2em", "fe2e", "rfam", "lf", "lstm"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Offer:
    """A checkpoint that visitors may choose."""

    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """For programs."""
        return self.checkpoint.name

    @property
    def title(self) -> str:
        """For people."""
        return title(self.checkpoint)

    @property
    def about(self) -> str:
        """A sentence or two on what it is, from its config or its card; "" where they do not say."""
        return str(self.checkpoint.config.get("description") or _from_card(self.checkpoint))


class Models:
    """The offers in their order, and their readers. Threads may share it.

    offers: at least one. default: the name of that which is taken where none is asked for.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        default: str,
        load: Callable[[Checkpoint], Reader] = reader_of,
        kept: int = KEPT,
    ) -> None:
        self.offers = tuple(offers)
        self.default = default
        self._load = load
        self._kept = kept
        self._by_name = {one.name: one for one in self.offers}
        self._readers: OrderedDict[str, Reader] = OrderedDict()  # the one asked for last comes last
        self._lock = threading.Lock()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def reader(self, name: str | None = None) -> Reader:
        """That of an offer, loaded if it is not yet; who asks meanwhile waits for it. Raises CheckpointError."""
        name = name or self.default
        if name not in self._by_name:
            raise CheckpointError(f"There is no model {name!r} here; those that are: {', '.join(self._by_name)}.")
        with self._lock:
            turn = self._loading[name]
        with turn:
            with self._lock:
                found = self._readers.get(name)
            found = found or self._load(self._by_name[name].checkpoint)
            with self._lock:
                self._keep(name, found)
        return found

    def _keep(self, name: str, reader: Reader) -> None:
        """As the one asked for last; where that makes too many, the one asked for longest ago goes."""
        self._readers[name] = reader
        self._readers.move_to_end(name)
        while len(self._readers) > self._kept:
            del self._readers[next(one for one in self._readers if one not in (self.default, name))]


def find_models(load: Callable[[Checkpoint], Reader] = reader_of) -> Models:
    """What ships and what FV2ES_CHECKPOINT names, fetched where need be; its first that works becomes the default.

    What cannot be had is left out, and the log says so. Raises CheckpointError where nothing is left.
    """
    named = [one.strip() for one in os.environ.get(VARIABLE, "").split(",")]
    hosted = {one.name: one for one in _open(filter(None, named))}
    shipped = {one.name: one for one in _open(sorted(list_checkpoints(), key=lambda name: (name != STANDARD, name)))}
    offers = shipped | {name: one for name, one in hosted.items() if name not in shipped}
    for default in dict.fromkeys([*hosted, *shipped]):
        models = Models(list(offers.values()), default, load)
        try:
            models.reader()
        except CheckpointError as error:
            logger.warning("%s The page goes without %r.", error, default)
            del offers[default]
            continue
        if any(named) and default not in hosted:
            logger.warning("Nothing that %s names can be used: %r, which ships, stands in.", VARIABLE, default)
        logger.info("Models: %s; the default is %r.", ", ".join(offers), default)
        return models
    open_checkpoint(STANDARD)  # says what is missing
    raise CheckpointError("None of the models here can be used.")


def title(checkpoint: Checkpoint) -> str:
    """A checkpoint's name for people: "V2EM compact"; with its address where it comes from the Hub."""
    config = checkpoint.config
    words = str(config.get("title") or _spell(str(config.get("name") or checkpoint.architecture)))
    repository, at, revision = checkpoint.name.partition("@")
    if "/" not in repository:
        return words
    short = revision[:SHOWN] if re.fullmatch("[0-9a-f]{40}", revision) else revision
    return f"{words} ({repository}{at}{short})"


def _open(names: Iterable[str]) -> Iterable[Offer]:
    for name in names:
        try:
            checkpoint = open_checkpoint(name)
            weights_of(checkpoint)
        except CheckpointError as error:
            logger.warning("%s The page goes without it.", error)
        else:
            yield Offer(checkpoint)


def _spell(name: str) -> str:
    """ "rfam-focal-compact" → "RFAM focal compact"."""
    words = [word.upper() if word in CAPITALS else word for word in name.split("-")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _from_card(checkpoint: Checkpoint) -> str:
    """The opening of the model card, without its first sentence, which says what all models here do."""
    try:
        card = (checkpoint.folder / CARD).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    opening = re.search(r"^# .*\n+((?:[^#|\s].*\n)+)", card, re.MULTILINE)
    if not opening:
        return ""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(opening[1].split()))
    return " ".join(sentences[1:] or sentences)
