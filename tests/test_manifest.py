"""Manifests: what is read, and which sentence answers what cannot be."""

from pathlib import Path

import pytest

from fv2es.data.manifest import ManifestError, Row, read_manifest
from fv2es.emotions import IEMOCAP

HEADER = "id\tfile\tstart\tend\ttext\tlabels\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "m.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_full_row(tmp_path):
    path = write(tmp_path, HEADER + 'a\tclips/x.mp4\t1.5\t2.25\t"Yes", he\'s said.\tJoy, angry\n')
    expected = Row(
        2, "a", tmp_path / "clips/x.mp4", 1.5, 2.25, '"Yes", he\'s said.', ("anger", "happy")
    )  # labels in the order of the emotions
    assert read_manifest(path) == [expected]


def test_quotes_never_join_lines(tmp_path):
    rows = read_manifest(write(tmp_path, 'text\tlabels\n"open\tsad\nclose"\thappy\n'))
    assert [(row.text, row.labels) for row in rows] == [('"open', ("sad",)), ('close"', ("happy",))]


def test_absolute_files_stay(tmp_path):
    (row,) = read_manifest(write(tmp_path, f"file\n{tmp_path / 'y.wav'}\n"))
    assert row.file == tmp_path / "y.wav"


def test_subtitles_are_beside_the_manifest(tmp_path):
    first, second = read_manifest(write(tmp_path, "file\tsubtitles\na.mp4\tdeep/a.srt\nb.mp4\t\n"))
    assert (first.subtitles, second.subtitles) == (tmp_path / "deep/a.srt", None)


def test_columns_in_any_order_absent_or_unknown(tmp_path):
    (row,) = read_manifest(write(tmp_path, "Labels\tspeaker\t text \nneutral\tbob\thi\n"))
    assert row == Row(2, "line 2", text="hi")


def test_empty_cells(tmp_path):
    (row,) = read_manifest(write(tmp_path, HEADER + "a\t\t\t\thi\t\n"))
    assert row == Row(2, "a", text="hi")


def test_bom_crlf_blank_lines_and_a_missing_last_line_end(tmp_path):
    rows = read_manifest(write(tmp_path, b"\xef\xbb\xbfid\ttext\tlabels\r\n\r\na\tone\tsad\r\nb\ttwo\thappy"))
    assert [(row.line, row.id, row.text, row.labels) for row in rows] == [
        (3, "a", "one", ("sad",)),
        (4, "b", "two", ("happy",)),
    ]


def test_only_a_line_feed_ends_a_line(tmp_path):
    (row,) = read_manifest(write(tmp_path, "text\none\u2028two\x0bthree\u0085four\rfive\n"))
    assert row.text == "one\u2028two\x0bthree\u0085four\rfive"


@pytest.mark.parametrize("mark", [",", ";"])
def test_columns_that_are_parted_otherwise(tmp_path, mark):
    with pytest.raises(ManifestError, match="need tabs between them"):
        read_manifest(write(tmp_path, f"file{mark}labels\na.mp4{mark}sad\n"))


def test_nothing_is_neutral_where_that_has_a_name(tmp_path):
    path = write(tmp_path, "text\tlabels\nHm.\t\nWell.\tneutral\nOh.\tcalm,joy\n")
    assert [row.labels for row in read_manifest(path, IEMOCAP)] == [("neutral",), ("neutral",), ("happy", "neutral")]
    assert [row.labels for row in read_manifest(path)] == [(), (), ("happy",)]


def test_large_fields(tmp_path):
    (row,) = read_manifest(write(tmp_path, "text\n" + "word " * 100_000 + "\n"))
    assert len(row.text) == 499_999


def test_start_or_end_alone(tmp_path):
    rows = read_manifest(write(tmp_path, "file\tstart\tend\nx\t2\t\nx\t\t3\n"))
    assert [(row.start, row.end) for row in rows] == [(2.0, None), (None, 3.0)]


def test_other_label_sets(tmp_path):
    path = write(tmp_path, "text\tlabels\nhi\texcited\nho\tneutral\n")
    assert [row.labels for row in read_manifest(path, ("excited", "neutral"))] == [("excited",), ("neutral",)]
    with pytest.raises(ManifestError, match=r"Line 2.*excited"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "first line"),
        ("a\tb\n", "first line.*file or text"),
        ("text\ttext\nx\ty\n", "text more than once"),
        (HEADER + "a\tx\n", "Line 2 .*2 cells.*6 columns"),
        (HEADER + "a\tx\t0\t1\ttab\there\tsad\n", "Line 2 .*7 cells"),
        (HEADER + "a\tx\tsoon\t1\t\t\n", "Line 2 .*'soon' as its start"),
        (HEADER + "a\tx\t0\tinf\t\t\n", "Line 2 .*'inf' as its end"),
        (HEADER + "a\tx\tnan\t\t\t\n", "Line 2 .*'nan' as its start"),
        (HEADER + "a\tx\t-1\t1\t\t\n", "Line 2 .*'-1' as its start"),
        (HEADER + "a\tx\t2\t2\t\t\n", "Line 2 .*not after its start"),
        (HEADER + "a\tx\t\t0\t\t\n", "Line 2 .*not after its start"),
        (HEADER + "a\tx\t0\t1\t\tsad\nb\tx\t\t\t\tbored\n", "Line 3 .*'bored'"),
        (b"text\nfine\n\xff\xfe\n", "Line 3 .*UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, content, sentence):
    with pytest.raises(ManifestError, match=sentence) as caught:
        read_manifest(write(tmp_path, content))
    assert str(tmp_path) not in str(caught.value)


def test_labels_are_asked_for_where_they_are_needed(tmp_path):
    path = write(tmp_path, "text\tlabel\nhi\tsad\n")
    assert read_manifest(path)[0].labels == ()
    with pytest.raises(ManifestError, match="no column labels, only label; without it all rows would be neutral"):
        read_manifest(path, labelled=True)


def test_no_such_manifest(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path / "none.tsv")
