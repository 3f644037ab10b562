"""The host's log: text as ever, or JSON lines with numbers and nothing of visitors."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from made_up import made_up_reading

from fv2es.media import MediaError
from fv2es.ui.jobs import Jobs
from fv2es.ui.logs import VARIABLE, set_up_log

ALWAYS = ["time", "level", "logger", "message"]


@pytest.fixture
def log(monkeypatch):
    """Set up as a host asks for it, on a stream of its own; what was there before comes back."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level

    def begin(kind: str | None) -> io.StringIO:
        monkeypatch.setattr("sys.stderr", stream)
        root.handlers[:] = []
        set_up_log({} if kind is None else {VARIABLE: kind})
        return stream

    yield begin
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Analysis:
    """Two readings, then `error` if there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __iter__(self):
        yield from (made_up_reading(index, 3.0 * index, 3.0 * index + 2) for index in range(2))
        if self.error:
            raise self.error

    def close(self) -> None: ...


def read(analysis: Analysis) -> None:
    job = Jobs().watched(lambda path: analysis)("/home/someone/my secret.mp4")
    try:
        list(job)
    finally:
        job.close()


def test_a_clip_has_two_lines(log):
    stream = log("json")
    read(Analysis())
    begun, over = lines(stream)
    assert list(begun) == [*ALWAYS, "job"]
    assert list(over) == [*ALWAYS, "job", "outcome", "utterances", "seconds"]
    assert begun["job"] == over["job"]
    assert over["level"] == "info"
    assert over["logger"] == "fv2es.ui.jobs"
    assert over["message"] == f"job {over['job']}: done; 2 utterances in {over['seconds']} s"
    assert (over["outcome"], over["utterances"]) == ("done", 2)
    time = datetime.fromisoformat(over["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(time - datetime.now(UTC)) < timedelta(hours=1)


def test_what_is_refused_names_the_kind_of_error(log):
    stream = log("JSON ")
    with pytest.raises(MediaError):
        read(Analysis(MediaError("The rest is damaged.")))
    over = lines(stream)[-1]
    assert (over["outcome"], over["error"], over["utterances"]) == ("refused", "MediaError", 2)


def test_a_failure_tells_where_and_nothing_of_the_visitor(log):
    stream = log("json")
    try:
        read(Analysis(OSError("/home/someone/my secret.mp4 said I love you")))
    except OSError:
        logging.getLogger("fv2es.ui.handlers").exception("job %s failed", "0000")
    begun, over, failed = lines(stream)
    assert (over["outcome"], over["error"]) == ("failed", "OSError")
    assert (failed["level"], failed["error"], failed["job"]) == ("error", "OSError", begun["job"])
    assert failed["where"][0].startswith(f"{__name__}:")
    assert any(place.startswith("fv2es.ui.jobs:") for place in failed["where"])
    assert failed["where"][-1].startswith(f"{__name__}:")
    for word in ("secret", "someone", "love", "got the job"):
        assert word not in stream.getvalue()


def test_whatever_is_logged_stays_one_line(log):
    stream = log("json")
    logging.getLogger("other").warning("two\nlines, “quoted” %s", {"a": 1}, extra={"seconds": 1})
    (line,) = lines(stream)
    assert line["message"] == "two\nlines, “quoted” {'a': 1}"


@pytest.mark.parametrize("kind", [None, "", "text"])
def test_without_it_the_log_is_for_people(log, kind):
    stream = log(kind)
    read(Analysis())
    begun, over = stream.getvalue().splitlines()
    assert " INFO fv2es.ui.jobs: job " in begun
    assert over.endswith(" s")


def test_another_kind_is_refused(log):
    with pytest.raises(ValueError, match="FV2ES_LOG needs text or json, got 'xml'"):
        log("xml")
