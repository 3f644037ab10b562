"""Whatever test docs/reliability.md names is there."""

import ast
import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
TRUST = 7  # promises, by their numbers


def functions_of(name: str) -> set[str]:
    """The functions of tests/NAME.py whose names begin with test_."""
    tree = ast.parse((ROOT / "tests" / f"{name}.py").read_text(encoding="utf-8"))
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


def named() -> list[tuple[str, str]]:
    """(module, test) of each test that the page names."""
    return re.findall(r"`(test_\w+)\.py::(test_\w+)`", PAGE)


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`(test_\w+)\.py", PAGE))))
def test_modules_that_are_named_are_there(module) -> None:
    assert functions_of(module)


@pytest.mark.parametrize(("module", "test"), named())
def test_tests_that_are_named_are_there(module, test) -> None:
    assert test in functions_of(module)


def test_every_promise_names_its_tests() -> None:
    rows = [line.split("|") for line in PAGE.splitlines() if "`test_" in line and line.startswith("|")]
    promised = {int(found[0]) for _, promise, *_ in rows if (found := re.findall(r"^ (\d)\. ", promise))}
    assert promised == set(range(1, TRUST + 1))
    assert len(named()) > 60
