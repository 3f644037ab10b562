"""Confusion matrices as drawn: cells that say what was counted."""

import numpy as np
import pytest

from fv2es.views.confusion import confusion_figure, row_shares, save_figure

LABELS = ("sad", "happy", "neutral")
COUNTS = np.array([[6, 2, 0], [0, 0, 0], [1, 0, 199]])


def cells(axes) -> list[list[list[str]]]:
    """The texts in each cell, from above."""
    found = [[[] for _ in LABELS] for _ in LABELS]
    for one in sorted(axes.texts, key=lambda text: text.get_position()[1]):
        column, row = (round(value) for value in one.get_position())
        found[row][column].append(one.get_text())
    return found


def test_shares_are_of_the_row():
    shares = row_shares(COUNTS)
    assert shares[0].tolist() == [0.75, 0.25, 0]
    assert np.isnan(shares[1]).all()


def test_cells_show_share_and_count():
    (axes,) = confusion_figure({"words": COUNTS}, LABELS).axes
    assert cells(axes) == [
        [["75 %", "6"], ["25 %", "2"], ["0"]],
        [["–"], ["–"], ["–"]],
        [["0 %", "1"], ["0"], ["100 %", "199"]],
    ]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(LABELS)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(LABELS)
    assert (axes.get_title(), axes.get_ylabel(), axes.get_xlabel()) == ("words", "labelled", "read as")


def test_letters_stand_out_from_their_cell():
    (axes,) = confusion_figure({"words": COUNTS}, LABELS).axes
    colours = {one.get_text(): one.get_color() for one in axes.texts}
    assert colours["100 %"] == "white"
    assert colours["25 %"] != "white"
    image = axes.images[0]
    for one in axes.texts:
        column, row = (round(value) for value in one.get_position())
        ground = luminance(image.cmap(image.norm(image.get_array()[row, column]))[:3])
        letters = 1.0 if one.get_color() == "white" else luminance(
            [int(one.get_color()[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        )  # fmt: skip
        assert (max(ground, letters) + 0.05) / (min(ground, letters) + 0.05) > 4, one.get_text()


def luminance(colour) -> float:
    """Relative luminance (WCAG 2.1) of red, green and blue, 0–1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_every_panel_has_a_place(tmp_path):
    figure = confusion_figure({str(n): COUNTS for n in range(5)}, LABELS, title="mine")
    assert [axes.get_title() for axes in figure.axes] == list("01234")
    assert figure.get_facecolor() == (1, 1, 1, 1)
    save_figure(figure, tmp_path / "one.svg")
    save_figure(figure, tmp_path / "one.png")
    drawing = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawing.count(">199</text>") == 5
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    save_figure(confusion_figure({str(n): COUNTS for n in range(5)}, LABELS, title="mine"), tmp_path / "two.svg")
    assert (tmp_path / "two.svg").read_text(encoding="utf-8") == drawing


def test_nothing_is_no_figure():
    with pytest.raises(ValueError, match="at least one"):
        confusion_figure({}, LABELS)
