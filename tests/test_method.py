"""docs/method.md names what is there: files, symbols, pictures."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "method.md"
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = re.findall(r"\[`(fv2es/\S+?\.py)`\]\(\.\./(\S+?)\):((?:\s+`\w+`,?)+)", TEXT)
MOST_BYTES = 1_500_000


@pytest.mark.parametrize(("path", "link", "symbols"), NAMED, ids=[path for path, *_ in NAMED])
def test_every_symbol_is_where_the_page_says(path, link, symbols):
    assert path == link
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(re.findall(r"`(\w+)`", symbols)) <= there


def test_every_file_of_the_page_is_followed_by_symbols():
    assert len(NAMED) == TEXT.count("[`fv2es/") >= 12


def test_the_contents_are_the_headings():
    titles = [re.sub(r"[^\w -]", "", line[3:].lower()) for line in TEXT.splitlines() if line.startswith("## ")]
    assert [f"#{one.replace(' ', '-')}" for one in titles[:-1]] == re.findall(r"^- \[.*\]\((#.*)\)$", TEXT, re.M)


def test_the_pictures_are_those_that_are_drawn_and_they_are_small():
    pictures = sorted((PAGE.parent / "figures").glob("method-*"))
    assert sorted(re.findall(r"figures/(method-\S+?)\)", TEXT)) == [one.name for one in pictures]
    source = (ROOT / "tools" / "method" / "__main__.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r'"(\w+\.(?:svg|png))":', source)) == [
        one.name.removeprefix("method-") for one in pictures
    ]
    assert sum(one.stat().st_size for one in pictures) < MOST_BYTES


def test_every_picture_is_described_for_those_who_cannot_see_it():
    assert all(len(words) > 40 for words in re.findall(r"!\[([^\]]*)\]", TEXT))
