"""What is drawn, as a tree to look into."""

from __future__ import annotations

import re
from xml.etree import ElementTree


def parse(markup: str) -> ElementTree.Element:
    """The markup as a tree; fails where a tag is left open or a letter was not escaped."""
    closed = re.sub(r"<(img|br|input)([^>]*?)/?>", r"<\1\2/>", markup)
    return ElementTree.fromstring(f'<div xmlns:xlink="x">{closed}</div>')


def with_class(tree: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in tree.iter() if name in one.get("class", "").split()]


def seen_words(tree: ElementTree.Element) -> list[str]:
    """Those of a headline that the style sheet shows: the active ones, neutral where there is none."""
    words = with_class(tree, "fv-word")
    shown = [one for one in words if "fv-on" in one.get("class")] or with_class(tree, "fv-none")
    return ["".join(one.itertext()) for one in shown]
