"""Batches by Ray Data: the same rows as the plain engine, whoever dies."""

import csv
import os
import signal
import threading
from pathlib import Path

import pytest
from batching import BOSS, SETTINGS, Obedient, fill, times_read

from fv2es.batch import workers
from fv2es.batch.jobs import BatchError, gather
from fv2es.batch.record import DONE, Shelf
from fv2es.batch.tables import write_tables
from fv2es.emotions import MOSEI

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'fv2es[ray]')")
from fv2es.batch import cluster  # noqa: E402

FINE = [f"calm-{number}.mp4" for number in range(6)]
BAD = ["broken-1.mp4", "bug-1.mp4", "poison-1.mp4"]


def tables(out: Path, jobs) -> list[dict[str, str]]:
    """Both tables' rows, without the column of seconds, which no two runs share."""
    write_tables(Shelf(out), [job.name for job in jobs], MOSEI)
    rows = []
    for title in ("utterances", "files"):
        with (out / f"{title}.csv").open(encoding="utf-8-sig", newline="") as stream:
            rows += [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(stream)]
    return rows


@pytest.mark.slow
def test_two_engines_give_the_same_rows(tmp_path):
    folder = fill(tmp_path / "in", *FINE, *BAD)
    jobs = gather([folder])
    plain = list(workers.read_all(jobs, SETTINGS, tmp_path / "plain", workers=2, make=Obedient))
    by_ray = list(cluster.read_all(jobs, SETTINGS, tmp_path / "ray", workers=2, make=Obedient))
    assert {(one.name, one.status, one.error) for one in by_ray} == {(one.name, one.status, one.error) for one in plain}
    assert tables(tmp_path / "ray", jobs) == tables(tmp_path / "plain", jobs)
    assert times_read(folder) == sorted(2 * [job.name for job in jobs]), "each once by each engine"


@pytest.mark.slow
def test_an_actor_that_is_killed_loses_nothing(tmp_path):
    folder = fill(tmp_path / "in", *FINE)
    outcomes = cluster.read_all(gather([folder]), SETTINGS, tmp_path / "out", workers=2, make=Obedient)
    first = next(outcomes)
    os.kill(int((folder / BOSS).read_text(encoding="utf-8")), signal.SIGKILL)
    found = {one.name: one.status for one in (first, *outcomes)}
    assert found == dict.fromkeys(FINE, DONE)
    assert list(Shelf(tmp_path / "out").names()) == FINE


@pytest.mark.slow
def test_who_stops_in_the_midst_leaves_no_ray_behind(tmp_path):
    folder = fill(tmp_path / "in", *FINE)
    before = set(threading.enumerate())
    outcomes = cluster.read_all(gather([folder]), SETTINGS, tmp_path / "out", workers=2, make=Obedient)
    next(outcomes)
    outcomes.close()
    assert not ray.is_initialized()
    assert set(threading.enumerate()) <= before, "such a thread would begin a new Ray by asking the one that ended"


@pytest.mark.slow
def test_what_is_done_is_not_done_again(tmp_path):
    folder = fill(tmp_path / "in", *FINE[:2])
    jobs, out = gather([folder]), tmp_path / "out"
    for _ in range(2):
        assert {one.status for one in cluster.read_all(jobs, SETTINGS, out, make=Obedient)} == {DONE}
    assert times_read(folder) == FINE[:2]


def test_a_cluster_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(BatchError, match="cannot be reached"):
        next(cluster.read_all(gather([fill(tmp_path, "a.mp4")]), SETTINGS, tmp_path, address="127.0.0.1:1"))
