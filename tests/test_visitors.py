"""Many strangers, one server: what each sees of the others, of the machine, and what is left of him."""

import json
import logging
import re
import threading
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from conftest import shades, tone, write_clip
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hostile import TEXTS
from processes import PATIENCE, until
from stubs import Paced, predicting_models
from test_hostile import EveryFrame

from fv2es.limits import Limits
from fv2es.media import Decoders
from fv2es.pipeline import analyse
from fv2es.takeaway import Shelf
from fv2es.ui import build_demo, launch_options, page
from fv2es.ui.leftovers import Steady

get, post = (partial(ask, timeout=PATIENCE) for ask in (httpx.get, httpx.post))  # its own is five seconds


def serve(folder: Path, analysis, models, **queue):
    """The page with this behind it."""
    demo = build_demo(analysis, examples=folder, models=models, shelf=Shelf(folder / "results"))
    options = {"prevent_thread_lock": True, "quiet": True, "server_name": "127.0.0.1", "max_file_size": 10_000_000}
    demo.queue(**queue).launch(**options, **launch_options(demo))
    return demo


def patient(pace: Paced):
    """Programs stop nothing, so that there is nothing that would tell it."""
    return lambda path, cancel=None, **options: pace(path, cancel=cancel or threading.Event(), **options)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The page with all stages behind it but the networks: its address, and a client."""
    models, readers = predicting_models()
    common = {"finder": EveryFrame(), "decoders": Decoders(), "limits": Limits(max_seconds=5)}

    def shared(path, model=None, **options):
        return analyse(path, reader=readers[model or "made-up"], **common, **{**options, "speech": "none"})

    demo = serve(tmp_path_factory.mktemp("none"), shared, models)
    client = Client(demo.local_url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    yield demo.local_url, client
    client.close()
    demo.close()
    common["decoders"].close()


@pytest.fixture
def paced_server(tmp_path):
    """The page with stubs that wait for the test, and room for one visitor in the queue."""
    models, readers = predicting_models()
    pace = Paced(readers)
    demo = serve(tmp_path, patient(pace), models, max_size=1)
    client = Client(demo.local_url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    yield pace, client, demo
    pace.gate.release(1000)
    client.close()
    demo.close()


def untimed(document: dict) -> dict:
    """Without the seconds that it took."""
    return document | {"utterances": [one | {"seconds": None} for one in document["utterances"]]}


def read(client: Client, path: Path) -> dict:
    return client.predict(handle_file(path), "none", api_name="/analyze")


@pytest.mark.parametrize(
    "kind", ["sdp", "hls-file", "ffconcat-unsafe", "svg", "words", "truncated", "empty", "too-wide"]
)
def test_a_hostile_file_is_one_sentence_and_the_next_visitor_is_served(real, tmp_path, kind) -> None:
    _, client = real
    good, bad = write_clip(tmp_path / "good.mp4", tone(1), shades(10)), tmp_path / "bad.mp4"
    content = {"truncated": good.read_bytes()[:500], "empty": b""}
    if kind == "too-wide":
        import numpy as np

        write_clip(bad, None, [np.zeros((64, 4000, 3), np.uint8)], codecs=("", "mpeg4"))
    else:
        bad.write_bytes(content.get(kind) or TEXTS.get(kind, "").encode())
    with pytest.raises(AppError) as refused:
        read(client, bad)
    said = str(refused.value)
    assert re.fullmatch(r"[A-Z][^/\\\n]+\.", said)
    assert read(client, good)["utterances"]


def test_visitors_at_once_get_their_own(real, tmp_path) -> None:
    _, client = real
    lengths = (1, 2, 3, 4)
    paths = [write_clip(tmp_path / f"{n}.mp4", None, shades(10 * n)) for n in lengths]
    jobs = [client.submit(handle_file(path), "none", api_name="/analyze") for path in paths]
    for length, path, job in zip(lengths, paths, jobs, strict=True):
        assert job.result()["file"] == path.name
        assert job.result()["duration"] == pytest.approx(length, abs=0.1)
        assert untimed(job.result()) == untimed(read(client, path))


def test_the_log_has_numbers_and_no_names(real, tmp_path, caplog) -> None:
    _, client = real
    good, bad = write_clip(tmp_path / "my secret.mp4", tone(1), shades(10)), tmp_path / "other secret.mp4"
    bad.write_bytes(b"no clip")
    until(lambda: get(f"{client.src.rstrip('/')}/health").json()["reading"] == 0)  # those before
    with caplog.at_level(logging.INFO, "fv2es"):
        read(client, good)
        with pytest.raises(AppError):
            read(client, bad)
        begun = re.findall(r"job ([0-9a-f]{8}): begun; \d being read\n", caplog.text)
        until(lambda: all(re.search(f"job {one}: (done|refused)", caplog.text) for one in begun))
    lines = [line for line in caplog.messages if line.startswith("job ")]
    assert len(set(begun)) == 2
    assert any(re.fullmatch(rf"job {begun[0]}: done; 1 utterances in [\d.]+ s", line) for line in lines)
    assert any(re.match(rf"job {begun[1]}: refused \(This file could not be read .*\); 0 utt", line) for line in lines)
    assert "secret" not in caplog.text


def test_health_says_how_busy_the_server_is(paced_server, tmp_path) -> None:
    pace, client, _ = paced_server
    url = f"{client.src.rstrip('/')}/health"
    idle = get(url)
    assert idle.status_code == 200
    assert idle.json() == {
        "status": "ok", "reading": 0, "waiting": 0, "room": 1,
        "over": {"done": 0, "stopped": 0, "refused": 0, "failed": 0},
    }  # fmt: skip
    clip = tmp_path / "talk.mp4"
    clip.write_bytes(b"a clip")
    job = client.submit(handle_file(clip), "none", api_name="/analyze")
    until(lambda: get(url).json()["reading"] == 1)
    pace.gate.release(3)
    job.result()
    until(lambda: get(url).json()["over"]["done"] == 1)
    assert get(url).json()["reading"] == 0


def test_metrics_count_what_was_done(paced_server, tmp_path) -> None:
    """In the text format of Prometheus: every sample has a type, and belongs to this program."""
    pace, client, _ = paced_server
    url = f"{client.src.rstrip('/')}/metrics"
    before = measured(get(url))
    assert before["fv2es_jobs_reading"] == before["fv2es_utterances_total"] == 0
    assert before["fv2es_jobs_room"] == 1
    clip = tmp_path / "secret.mp4"
    clip.write_bytes(b"a clip")
    pace.gate.release(3)
    utterances = client.predict(handle_file(clip), "none", api_name="/analyze")["utterances"]
    until(lambda: measured(get(url))['fv2es_jobs_total{ended="done"}'] == 1)
    after = measured(get(url))
    assert after["fv2es_utterances_total"] == len(utterances)
    assert after["fv2es_speech_seconds_total"] == pytest.approx(sum(one["end"] - one["start"] for one in utterances))
    spent = {stage: sum(one["seconds"][stage] for one in utterances) for stage in utterances[0]["seconds"]}
    for stage, seconds in spent.items():
        assert after[f'fv2es_stage_seconds_total{{stage="{stage}"}}'] == pytest.approx(seconds, abs=1e-3)
    assert "secret" not in get(url).text


def measured(answer: httpx.Response) -> dict[str, float]:
    """Sample → value."""
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    typed, found = set(), {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(re.fullmatch(r"# TYPE (fv2es_\w+) (?:counter|gauge)", line)[1])
        elif not line.startswith("# HELP "):
            name, labels, value = re.fullmatch(r'(fv2es_\w+)(\{\w+="[^"]*"\})? (\S+)', line).groups("")
            assert name in typed
            found[name + labels] = float(value)
    return found


def test_who_finds_the_queue_full_is_told_so(paced_server, tmp_path) -> None:
    """Two are read, one waits, and one more is too many."""
    pace, client, _ = paced_server
    url = f"{client.src.rstrip('/')}/health"
    clip = tmp_path / "talk.mp4"
    clip.write_bytes(b"a clip")
    taken = []
    for expected in ({"reading": 1}, {"reading": 2}, {"waiting": 1}):
        taken.append(client.submit(handle_file(clip), "none", api_name="/analyze"))
        until(lambda expected=expected: expected.items() <= get(url).json().items())
    answer = get(url)
    assert (answer.status_code, answer.json()["status"]) == (503, "full")
    with pytest.raises(Exception, match=r"(?i)queue is full|too many"):
        client.predict(handle_file(clip), "none", api_name="/analyze")
    pace.gate.release(20)
    assert all(job.result()["utterances"] for job in taken)


def test_uploads_are_deleted_when_their_time_is_over(tmp_path, monkeypatch) -> None:
    """An hour passes when the test says so."""
    hours = 0

    class Datetime(datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("gradio.route_utils.datetime", Datetime)  # by which uploads grow old, and by this broken ones
    monkeypatch.setattr("gradio.state_holder.datetime", SimpleNamespace(datetime=Datetime))
    monkeypatch.setattr("fv2es.ui.leftovers.datetime", Datetime)
    monkeypatch.setattr("fv2es.ui.leftovers.time", SimpleNamespace(time=lambda: time.time() + 3600 * hours))
    monkeypatch.setattr(page, "SWEEP", 1)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    models, readers = predicting_models()
    pace = Paced(readers)
    pace.gate.release(1000)
    demo = serve(tmp_path, patient(pace), models)
    try:
        clip = tmp_path / "talk.mp4"
        clip.write_bytes(b"a clip that nobody else should see")
        client = Client(demo.local_url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
        read(client, clip)
        client.close()
        base = f"{demo.local_url.rstrip('/')}/gradio_api"
        post(f"{base}/upload", files={"files": ("never-read.mp4", b"uploaded and left")})
        (tmp_path / "uploads" / "tmp0broken0").write_bytes(b"as Gradio leaves it when an upload breaks off")

        def left() -> list[str]:
            return [path.name for path in (tmp_path / "uploads").rglob("*") if path.is_file()]

        assert {"talk.mp4", "never-read.mp4", "tmp0broken0"} <= set(left())
        assert demo.state_holder.session_data, "what pages show"
        hours = 1
        until(lambda: not left())
        until(lambda: not demo.state_holder.session_data)
        hours = 2
        until(lambda: not any((tmp_path / "uploads").iterdir()))
    finally:
        demo.close()


def test_files_that_come_while_old_ones_are_deleted_do_not_end_the_deleting(tmp_path) -> None:
    from gradio.route_utils import delete_files_created_by_app

    old = [tmp_path / str(number) for number in range(300)]
    for path in old:
        path.write_bytes(b"")
    files, over = {str(path) for path in old}, threading.Event()

    def visit() -> None:
        for number in range(20_000):
            if over.is_set():
                break
            files.add(str(tmp_path / f"new-{number}"))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        delete_files_created_by_app(SimpleNamespace(blocks={}, temp_file_sets=[Steady(files)]), None)
    finally:
        over.set()
        visitor.join()
    assert not any(path.exists() for path in old)
    assert files, "those that came are still known"
    assert not files & {str(path) for path in old}


def test_answers_have_no_secrets(real, tmp_path, monkeypatch) -> None:
    """What the server says of itself to whoever asks, without having uploaded anything."""
    monkeypatch.setenv("HF_TOKEN", "hf_a_secret_of_this_host")
    url, _ = real
    said = [get(f"{url.rstrip('/')}/{path}").text for path in ("", "config", "health", "gradio_api/info", "metrics")]
    together = "\n".join(said)
    assert "hf_a_secret_of_this_host" not in together
    assert str(Path.home()) not in json.dumps(said[2])
    stranger = get(f"{url.rstrip('/')}/gradio_api/file=/etc/passwd")
    assert stranger.status_code in (403, 404)
    assert "root:" not in stranger.text


def test_a_failure_has_the_number_of_its_job(tmp_path, caplog) -> None:
    from fv2es.ui.jobs import Jobs

    def broken(*given, **options):
        raise OSError("/secret/path")

    jobs = Jobs()
    with caplog.at_level(logging.INFO, "fv2es"), pytest.raises(OSError, match="secret") as caught:
        jobs.watched(broken)("clip.mp4")
    (number,) = re.findall(r"job (\w+): begun", caplog.text)
    assert caught.value.__notes__ == [f"This was job {number}."]
    assert "secret" not in caplog.text
    assert jobs.over["failed"] == 1
    assert jobs.errors == {"OSError": 1}
    assert jobs.reading == 0


def test_counts_are_right_when_many_come_at_once() -> None:
    from fv2es.ui.jobs import Jobs

    jobs = Jobs()
    start = jobs.watched(lambda: SimpleNamespace(close=lambda: None, __iter__=lambda: iter(())))

    def visit() -> None:
        for _ in range(100):
            start().close()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs.reading == 0
    assert jobs.over == {"done": 0, "stopped": 800, "refused": 0, "failed": 0}
