"""docs/add-a-model.md, followed to the letter in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "add-a-model.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy in which somebody has done what the page says."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("fv2es", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    (place,) = re.findall(r"Write it to `(.*?)`", text)
    (word,) = re.findall(r"add\n`(\w+)` there", text)
    (folder / place).write_text(code, encoding="utf-8")
    registry = folder / "fv2es" / "models" / "registry.py"
    lines = registry.read_text(encoding="utf-8")
    registry.write_text(lines.replace("rfam_focal, ", f"rfam_focal, {word}, "), encoding="utf-8")
    return folder


def run(project: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FV2ES_")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=environment | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_thirty_lines():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 30


@pytest.mark.slow
def test_what_the_page_says_works(project):
    assert "separable-compact" in run(project, "-m", "fv2es", "models")
    said = run(project, "-m", "pytest", "tests/test_contract.py", "-k", "separable-compact")
    assert re.search(r"\d+ passed", said), said
    assert "failed" not in said
