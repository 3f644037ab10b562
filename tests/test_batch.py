"""Batches: what is read, that nothing is lost and nothing read twice, and the same rows whatever runs them."""

import csv
import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from batching import SETTINGS, Obedient, Stillborn, Unable, fill, times_read
from processes import until

from fv2es.batch import workers
from fv2es.batch.jobs import LONGEST, BatchError, Job, gather, shard
from fv2es.batch.record import DONE, FAILED, FOLDER, Shelf, keep
from fv2es.batch.tables import write_tables
from fv2es.batch.workers import Careful, read_all
from fv2es.cli import main
from fv2es.data.manifest import ManifestError
from fv2es.emotions import MOSEI

TESTS = Path(__file__).parent
FINE = ["a.mp4", "b.mp4", "c.mp4", "z.mp4"]


def names(jobs) -> list[str]:
    return [job.name for job in jobs]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


# What is to be done


def test_a_folder_gives_what_is_named_like_a_clip_however_deep(tmp_path):
    fill(tmp_path, "b.mp4", "a/z.MOV", "a/c.wav", "notes.txt", ".hidden.mp4", "a/.part")
    jobs = gather([tmp_path])
    assert names(jobs) == ["a/c.wav", "a/z.MOV", "b.mp4"]
    assert [job.file for job in jobs] == [tmp_path / "a/c.wav", tmp_path / "a/z.MOV", tmp_path / "b.mp4"]


def test_patterns_files_and_manifests(tmp_path, monkeypatch):
    fill(tmp_path, "in/a.mp4", "in/deep/b.mp4", "in/c.txt", "other.bin")
    (tmp_path / "list.tsv").write_text("file\ttext\nin/deep/b.mp4\twhat a day\n\tonly words\n", encoding="utf-8")
    assert names(gather([tmp_path / "in/*.mp4"])) == ["a.mp4"]
    assert names(gather([tmp_path / "in/**/*.mp4"])) == ["a.mp4", "deep/b.mp4"]
    assert names(gather([tmp_path / "other.bin"])) == ["other.bin"], "named, any file will do"
    (told,) = gather([tmp_path / "list.tsv"])
    assert (told.name, told.text) == ("in/deep/b.mp4", "what a day")
    monkeypatch.chdir(tmp_path)
    assert names(gather(["in/*.mp4", "in"])) == ["a.mp4", "deep/b.mp4"], "relative, and nothing twice"
    assert all(job.file.is_absolute() for job in gather(["in"])), "other processes may stand elsewhere"


def test_a_manifest_names_each_files_subtitles(tmp_path):
    lines = ["file\ttext\tsubtitles", "a.mp4\t\ta.srt", "b.mp4\twhat a day\tb.srt", "c.mp4\t\t"]
    (tmp_path / "list.tsv").write_text("\n".join(lines), encoding="utf-8")
    jobs = gather([tmp_path / "list.tsv"])
    assert [(job.text, job.subtitles) for job in jobs] == [
        (None, tmp_path / "a.srt"),
        ("what a day", None),
        (None, None),
    ]


def test_labels_are_of_no_interest_and_words_are_not_lost(tmp_path):
    fill(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "list.tsv").write_text("file\ttext\tlabels\na.mp4\thi\tcontempt\n", encoding="utf-8")
    folder, listed = tmp_path, tmp_path / "list.tsv"
    for inputs in ([folder, listed], [listed, folder], [listed, listed]):
        assert {job.name: job.text for job in gather(inputs)}["a.mp4"] == "hi"
    (tmp_path / "other.tsv").write_text("file\ttext\na.mp4\tho\n", encoding="utf-8")
    with pytest.raises(BatchError, match=r"a\.mp4 is named twice with different words"):
        gather([listed, tmp_path / "other.tsv"])


def test_a_fingerprint_knows_the_words(tmp_path):
    fill(tmp_path, "a.mp4", "a.srt", "b.srt")
    (tmp_path / "b.srt").write_text("other words", encoding="utf-8")
    clip = tmp_path / "a.mp4"
    told = [Job("a", clip), Job("a", clip, "hi"), Job("a", clip, "ho")]
    told += [Job("a", clip, None, tmp_path / name) for name in ("a.srt", "b.srt")]
    assert len({job.fingerprint() for job in told}) == len(told)
    assert Job("a", clip, None, tmp_path / "gone.srt").fingerprint() == ""


def test_files_of_like_name_get_names_of_their_own(tmp_path):
    fill(tmp_path, "one/a.mp4", "two/a.mp4", "two/A.mp4")
    jobs = gather([tmp_path / "one", tmp_path / "two"])
    assert len({name.casefold() for name in names(jobs)}) == 3
    assert names(gather([tmp_path / "one", tmp_path / "two"])) == names(jobs)


def test_no_name_leads_out_of_the_folder(tmp_path):
    fill(tmp_path, "a.mp4", "in/x.mp4")
    (tmp_path / "in/list.tsv").write_text("file\n../a.mp4\n", encoding="utf-8")
    assert names(gather([tmp_path / "in/list.tsv"])) == ["a.mp4"]


def test_inputs_that_make_no_sense(tmp_path):
    (tmp_path / "cut.tsv").write_text("file\tstart\na.mp4\t3\n", encoding="utf-8")
    (tmp_path / "bad.tsv").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(BatchError, match="no video or sound file"):
        gather([fill(tmp_path / "empty")])
    for mistyped in ("gone.mp4", "gone.tsv", "gone"):
        with pytest.raises(BatchError, match="no such file or folder"):
            gather([tmp_path / mistyped])
    with pytest.raises(BatchError, match="batch reads whole files"):
        gather([tmp_path / "cut.tsv"])
    with pytest.raises(ManifestError):
        gather([tmp_path / "bad.tsv"])


def test_shards_are_all_and_nothing_twice(tmp_path):
    jobs = gather([fill(tmp_path, *(f"{n}.mp4" for n in range(11)))])
    parts = [shard(jobs, number, 4) for number in (1, 2, 3, 4)]
    assert sorted(names(one for part in parts for one in part)) == sorted(names(jobs))
    assert {len(part) for part in parts} == {2, 3}
    with pytest.raises(BatchError, match="5/4"):
        shard(jobs, 5, 4)


# Records


def test_a_record_is_whole_whatever_goes_wrong(tmp_path):
    fill(tmp_path, "fine.mp4", "broken-1.mp4", "bug-1.mp4")
    shelf, read = Shelf(tmp_path / "out"), Obedient(SETTINGS)
    found = {job.name: keep(shelf, job, read) for job in gather([tmp_path])}
    assert {name: one.status for name, one in found.items()} == {
        "fine.mp4": DONE,
        "broken-1.mp4": FAILED,
        "bug-1.mp4": FAILED,
    }
    assert found["broken-1.mp4"].error == "This file is broken."
    assert "secret" not in found["bug-1.mp4"].error
    assert shelf.get("broken-1.mp4")["error"] == "This file is broken."
    assert shelf.get("fine.mp4")["utterances"][0]["start"] == 0
    assert list(shelf.names()) == sorted(found)
    assert not list(tmp_path.rglob("*.part"))


def test_a_batch_of_other_settings_is_not_mixed_in(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.begin(SETTINGS)
    shelf.begin(SETTINGS)
    with pytest.raises(BatchError, match="another sha256 and speech"):
        shelf.begin(replace(SETTINGS, sha256="1" * 64, speech="auto"))


# Processes


@pytest.fixture
def mixed(tmp_path):
    """Good and bad files, and their batch."""
    bad = ("broken-1.mp4", "bug-1.mp4", "poison-1.mp4", "poison-2.mp4")
    return fill(tmp_path / "in", *FINE, *bad), tmp_path / "out"


@pytest.mark.parametrize("count", [1, 2])
def test_a_poison_file_costs_itself_only(mixed, count):
    folder, out = mixed
    outcomes = list(read_all(gather([folder]), SETTINGS, out, workers=count, make=Obedient))
    assert sorted(one.name for one in outcomes) == sorted(names(gather([folder])))
    assert sorted(one.name for one in outcomes if one.status == DONE) == FINE
    assert {one.error for one in outcomes if one.name.startswith("poison")} == {
        "The process that read this file died: the file may be damaged, or the memory was too small."
    }
    assert all(Shelf(out).get(one.name) for one in outcomes)
    assert times_read(folder) == names(gather([folder])), "each once"


def test_a_file_that_takes_for_ever_is_given_up(tmp_path):
    folder = fill(tmp_path / "in", "a.mp4", "slow-1.mp4", "z.mp4")
    outcomes = {one.name: one for one in
                read_all(gather([folder]), SETTINGS, tmp_path / "out", patience=3.0, make=Obedient)}  # fmt: skip
    assert "more than 3 seconds" in outcomes["slow-1.mp4"].error
    assert {outcomes["a.mp4"].status, outcomes["z.mp4"].status} == {DONE}


def test_processes_that_cannot_begin_end_the_run_with_a_sentence(tmp_path):
    jobs = gather([fill(tmp_path, "a.mp4", "b.mp4")])
    with pytest.raises(BatchError, match="no weights of that name"):
        list(read_all(jobs, SETTINGS, tmp_path / "out", make=Unable))
    with pytest.raises(BatchError, match="die before they begin"):
        list(read_all(jobs, SETTINGS, tmp_path / "out", make=Stillborn))
    assert not list(Shelf(tmp_path / "out").names()), "nothing is held against the files"


def test_closing_ends_every_process(tmp_path):
    folder = fill(tmp_path / "in", "a.mp4", "slow-1.mp4", "slow-2.mp4")
    outcomes = read_all(gather([folder]), SETTINGS, tmp_path / "out", workers=2, make=Obedient)
    assert next(outcomes).name == "a.mp4"
    outcomes.close()
    assert multiprocessing.active_children() == [], "and nobody waits for the two minutes of the slow ones"


def test_one_process_after_another_for_a_cluster(mixed):
    folder, out = mixed
    careful = Careful(SETTINGS, out, make=Obedient)
    outcomes = [careful(job) for job in gather([folder])]
    careful.close()
    assert [one.name for one in outcomes if one.status == DONE] == FINE


def test_killed_at_any_moment_nothing_is_lost_and_nothing_read_twice(tmp_path):
    """The whole run is killed again and again, then allowed to end."""
    folder = fill(tmp_path / "in", *(f"calm-{number:02}.mp4" for number in range(12)))
    out = tmp_path / "out"
    code = f"import batching; batching.run({str(folder)!r}, {str(out)!r}, 2)"
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    begun = partial(subprocess.Popen, [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    kept: set[str] = set()
    for more in (1, 3, 4):
        with begun(stdout=subprocess.PIPE) as process:
            until(lambda: process.poll() is not None or len(list(Shelf(out).names())) >= len(kept) + more)  # noqa: B023
            process.kill()
            process.stdout.read()  # until its processes have ended too, when they have finished the file in hand
        found = set(Shelf(out).names())
        assert found >= kept, "what was finished stays"
        for name in found:
            assert Shelf(out).get(name)["utterances"], "whole"
        kept = found
    assert begun().wait() == 0
    assert list(Shelf(out).names()) == names(gather([folder]))
    read = times_read(folder)
    assert set(read) == set(names(gather([folder])))
    assert len(read) <= 12 + 3 * 2, "at most what each of two processes had in hand at each of three kills"


# Tables


def test_tables_have_a_row_for_each_utterance_and_each_file(mixed):
    folder, out = mixed
    jobs = gather([folder])
    list(read_all(jobs[:-1], SETTINGS, out, make=Obedient))
    written = write_tables(Shelf(out), names(jobs), MOSEI)
    assert {"utterances.csv", "files.csv"} <= {path.name for path in written}
    utterances, files = rows(out / "utterances.csv"), rows(out / "files.csv")
    assert [(one["file"], one["utterance"]) for one in utterances] == [
        (name, number) for name in FINE[:-1] for number in ("1", "2")
    ]
    assert utterances[0]["active"] == "happy"
    assert utterances[1]["active"] == "neutral"
    assert utterances[0]["transcript"] == "'=1+1", "no formula"
    assert float(utterances[0]["face_anger"]) == pytest.approx(0.05)
    assert utterances[0]["voice_anger"] == ""
    assert [(one["file"], one["status"]) for one in files] == [
        (job.name, "waiting" if job.name == "z.mp4" else "done" if job.name in FINE else "failed") for job in jobs
    ]
    assert {one["file"]: one["error"] for one in files}["broken-1.mp4"] == "This file is broken."


def test_parquet_says_the_same(mixed):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    folder, out = mixed
    jobs = gather([folder])
    list(read_all(jobs, SETTINGS, out, make=Obedient))
    write_tables(Shelf(out), names(jobs), MOSEI)
    for title in ("utterances", "files"):
        plain, columns = rows(out / f"{title}.csv"), parquet.read_table(out / f"{title}.parquet").to_pylist()
        assert [list(row) for row in columns] == [list(row) for row in plain]
        for row, other in zip(columns, plain, strict=True):
            for name, value in row.items():
                text = other[name].removeprefix("'")
                assert text == ("" if value is None else str(value)) or float(text) == value


def test_parquet_holds_every_row_of_more_than_it_holds_at_once(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("fv2es.batch.tables.ROWS", 3)
    jobs = gather([fill(tmp_path / "in", *(f"{number:02}.mp4" for number in range(10)))])
    list(read_all(jobs, SETTINGS, tmp_path / "out", make=Obedient))
    write_tables(Shelf(tmp_path / "out"), names(jobs), MOSEI)
    for title, count in (("utterances", 20), ("files", 10)):
        found = parquet.read_table(tmp_path / "out" / f"{title}.parquet").to_pylist()
        assert len(found) == count
        assert [row["file"] for row in found] == [row["file"] for row in rows(tmp_path / "out" / f"{title}.csv")]


def test_names_that_a_file_system_or_an_encoding_refuses(tmp_path):
    folder = fill(tmp_path / "in", "z.mp4")
    odd = [os.fsencode(folder) + b"/caf\xe9.wav", os.fsencode(folder / ("\u7535" * 83 + ".mp4"))]
    for name in odd:
        Path(os.fsdecode(name)).write_bytes(b"some")
    jobs = gather([folder])
    outcomes = list(read_all(jobs, SETTINGS, tmp_path / "out", make=Obedient))
    assert [one.status for one in outcomes] == [DONE] * 3
    assert len({job.name for job in jobs}) == 3
    assert all(len(job.name.encode()) <= LONGEST for job in jobs)
    assert {Path(job.name).suffix for job in jobs} == {".mp4", ".wav"}
    write_tables(Shelf(tmp_path / "out"), names(jobs), MOSEI)
    assert {row["status"] for row in rows(tmp_path / "out" / "files.csv")} == {DONE}
    assert all(Shelf(tmp_path / "out").has(job) for job in gather([folder])), "the same names the next time"


# The command


@pytest.fixture
def stubbed(monkeypatch, tmp_path):
    """The command with the obedient reader; its batch's folder."""
    monkeypatch.setattr(workers, "read_all", partial(read_all, make=Obedient))
    return tmp_path / "out"


def test_the_command_resumes_and_tries_again(stubbed, tmp_path, capfd):
    folder = fill(tmp_path / "in", "a.mp4", "broken-1.mp4", "c.mp4")
    again = ["batch", str(folder), "--out", str(stubbed)]
    assert main([*again, "--shard", "1/2"]) == 0
    assert "Read now: 2 of 3 files, of which 0 failed." in capfd.readouterr().out
    assert main([*again, "--shard", "2/2"]) == 0, "a shard of its own needs no --resume"
    said = capfd.readouterr()
    assert "Read now: 1 of 3 files, of which 1 failed." in said.out
    assert "broken-1.mp4: This file is broken." in said.err
    assert main(again) == 2
    assert "--resume goes on" in capfd.readouterr().err
    assert main([*again, "--resume"]) == 0
    assert "Read now: 0 of 3" in capfd.readouterr().out
    assert main([*again, "--resume", "--retry"]) == 0
    assert "Read now: 1 of 3" in capfd.readouterr().out
    assert times_read(folder) == ["a.mp4", "broken-1.mp4", "broken-1.mp4", "c.mp4"]
    assert [one["status"] for one in rows(stubbed / "files.csv")] == ["done", "failed", "done"]


def test_no_patience_is_refused(stubbed, tmp_path, capfd):
    assert main(["batch", str(fill(tmp_path / "in", "a.mp4")), "--out", str(stubbed), "--patience", "0"]) == 2
    assert "seconds above 0" in capfd.readouterr().err


def test_a_result_stands_for_its_own_file_only(stubbed, tmp_path, capfd):
    for day in ("day1", "day2"):
        fill(tmp_path / day, "a.mp4", "broken-1.mp4")
        for file in (tmp_path / day).iterdir():
            file.write_text(f"{day} {file.name}", encoding="utf-8")
    command = ["batch", str(tmp_path / "day1"), "--out", str(stubbed)]
    assert main(command) == 0
    before = (stubbed / FOLDER / "a.mp4.json").read_bytes()
    for inputs in (["day2"], ["day2", "day1"]):
        assert main(["batch", *(str(tmp_path / one) for one in inputs), "--out", str(stubbed), "--resume"]) == 2
        assert "of another file than" in capfd.readouterr().err
    assert (stubbed / FOLDER / "a.mp4.json").read_bytes() == before
    assert main([*command[:2], str(tmp_path / "day2"), *command[2:], "--resume"]) == 0, "new ones behind the others"
    assert times_read(tmp_path / "day1") == ["a.mp4", "broken-1.mp4"]
    assert times_read(tmp_path / "day2") == ["a.mp4", "broken-1.mp4"]
    (tmp_path / "day1").rename(tmp_path / "day0")
    assert main(["batch", str(tmp_path / "day0"), str(tmp_path / "day2"), "--out", str(stubbed), "--resume"]) == 0
    assert times_read(tmp_path / "day0") == ["a.mp4", "broken-1.mp4"], "moved, it is the same file"
    (tmp_path / "day0" / "broken-1.mp4").write_text("repaired", encoding="utf-8")
    assert main(["batch", str(tmp_path / "day0"), str(tmp_path / "day2"), "--out", str(stubbed), "--resume"]) == 0
    assert times_read(tmp_path / "day0") == ["a.mp4", "broken-1.mp4", "broken-1.mp4"]


@pytest.mark.slow
def test_a_file_is_read_with_its_own_subtitles(tmp_path, examples):
    clip = min(examples, key=lambda path: path.stat().st_size)
    (tmp_path / "said.srt").write_text("1\n00:00:00,000 --> 00:00:30,000\nwhat a day\n", encoding="utf-8")
    other = next(path for path in examples if path != clip)
    rows = f"file\tsubtitles\n{clip}\tsaid.srt\n{other}\tgone.srt\n"
    (tmp_path / "list.tsv").write_text(rows, encoding="utf-8")
    assert main(["batch", str(tmp_path / "list.tsv"), "--out", str(tmp_path / "out"), "--speech", "none"]) == 0
    found, lost = (
        json.loads((tmp_path / "out" / FOLDER / f"{path.name}.json").read_text(encoding="utf-8"))
        for path in (clip, other)
    )
    assert {(one["transcript"], one["transcript_source"]) for one in found["utterances"]} == {
        ("what a day", "subtitles")
    }
    assert lost["error"] == "The subtitle file cannot be read."


@pytest.mark.slow
def test_a_clip_gets_the_document_that_analyse_gives(tmp_path, examples):
    clip = min(examples, key=lambda path: path.stat().st_size)
    assert main(["batch", str(clip), "--out", str(tmp_path / "out"), "--speech", "none"]) == 0
    assert main(["analyse", str(clip), "--json", str(tmp_path / "one.json"), "--speech", "none"]) == 0
    found = json.loads((tmp_path / "out" / FOLDER / f"{clip.name}.json").read_text(encoding="utf-8"))
    plain = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    assert found.pop("name") == clip.name
    assert found.pop("seconds") > 0
    assert found.pop("fingerprint")
    for one in (found, plain):
        assert one["utterances"]
        for utterance in one["utterances"]:
            utterance.pop("seconds")
    assert found == plain
