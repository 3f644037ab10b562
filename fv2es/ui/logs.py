"""The host's log on standard error: lines for people, or with FV2ES_LOG=json one JSON object a line for a collector."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from fv2es.traces import places

VARIABLE = "FV2ES_LOG"
TEXT, JSON = "text", "json"
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
NOTE = "This was job "  # on an error, before the number of the job that it ended
OF_A_JOB = ("job", "outcome", "utterances", "seconds", "error")  # what `jobs` gives beside its sentence
TALKATIVE = ("httpx", "httpx2")  # a line for every request


class JsonLines(logging.Formatter):
    """A record as one JSON object: time (ISO 8601, UTC), level, logger, message; of a clip its job, and when that is
    over outcome, utterances, seconds and error (the kind); where something failed, where in the code.

    What an exception says of itself is left out: it may name a visitor's file.
    """

    def format(self, record: logging.LogRecord) -> str:
        given = {name: getattr(record, name) for name in OF_A_JOB if hasattr(record, name)}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **given,
        }
        if record.exc_info and (error := record.exc_info[1]):
            line |= {"error": type(error).__name__, "where": places(error), **_job(error)}
        return json.dumps(line, ensure_ascii=False)


def _job(error: BaseException) -> dict[str, str]:
    numbers = [note.removeprefix(NOTE) for note in getattr(error, "__notes__", ()) if note.startswith(NOTE)]
    return {"job": numbers[0].removesuffix(".")} if numbers else {}


def set_up_log(environment: Mapping[str, str] | None = None) -> None:
    """Begin to log, once for the process. Raises ValueError for another kind than text and json."""
    environment = os.environ if environment is None else environment
    kind = environment.get(VARIABLE, "").strip().lower() or TEXT
    if kind not in (TEXT, JSON):
        raise ValueError(f"{VARIABLE} needs {TEXT} or {JSON}, got {kind!r}")
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if kind == JSON else logging.Formatter(LINE))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
