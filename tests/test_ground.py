"""What stands around the code agrees with it: README, lists of packages, Makefile, documented formats."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fv2es import cli
from fv2es.emotions import MOSEI
from fv2es.metrics import report
from fv2es.results import analysis_json, make_reading, reading_json, summarise
from fv2es.schema import Prediction, Span, Utterance

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{one.name}" for one in (ROOT / "docs").glob("*.md")))
RUNTIME, DEVELOPMENT = ("fv2es", "app.py"), ("tests", "benchmarks", "examples", "tools")
# The name on the index of packages where it is not that of the import; starlette is what gradio's server is made of.
INDEX_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "starlette": "gradio"}


def front_matter() -> dict[str, str]:
    """The plain `key: value` lines between the README's first two rules."""
    head = README.split("---\n")[1]
    return {key: value.strip('"') for key, value in re.findall(r"^(\w+): (.+)$", head, re.MULTILINE)}


def pinned(name: str) -> dict[str, str]:
    """package → version of one list; every line has to name one, extras in brackets."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    asked = [line for line in lines if line and not line.startswith(("#", "-r"))]
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?==[\w.]+", line) for line in asked), asked
    return dict(re.sub(r"\[\w+\]", "", line).replace("_", "-").lower().split("==") for line in asked)


def extras() -> dict[str, str]:
    """Package → version of all that is installed when asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for lines in project["optional-dependencies"].values() for line in lines]
    return dict(re.sub(r"\[\w+\]", "", line).split("==") for line in lines)


def outside_packages(*places: str) -> set[str]:
    """Packages that are imported in files and folders, by their name on the index."""
    files = [
        file for place in places for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]
    own = {"fv2es", "app", *DEVELOPMENT, *(file.stem for file in files)}
    nodes = [node for file in files if file.is_file() for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    roots = {name.partition(".")[0] for name in names} - own - set(sys.stdlib_module_names)
    return {INDEX_NAMES.get(name, name).replace("_", "-").lower() for name in roots}


def test_what_is_imported_is_listed():
    runtime, development = pinned("requirements.txt"), pinned("requirements-dev.txt")
    assert outside_packages(*RUNTIME) <= {*runtime, *extras()}
    assert extras().items() <= development.items(), "what some want is tested"
    assert outside_packages(*DEVELOPMENT) <= {*runtime, *development}
    assert not set(runtime) & set(development)
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")


def test_front_matter_fits():
    matter = front_matter()
    assert matter["sdk"] == "gradio"
    assert matter["sdk_version"] == pinned("requirements.txt")["gradio"]
    assert matter["python_version"] in ("3.11", "3.12")
    assert (ROOT / matter["app_file"]).is_file()
    assert len(matter["short_description"]) <= 60


def links(page: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "#")):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    assert [one for one in links(page) if not ((ROOT / page).parent / one).exists()] == []


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("python -m fv2es ") for line in lines if line.startswith("python -m fv2es ")]


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_readme_are_understood(line):
    from fv2es.training.configs import shipped
    from fv2es.training.main import parser

    words = shlex.split(line)
    if words[0] == "train":
        assert parser().parse_args(words[1:]).what in ("all", *shipped())
        return
    options, rest = cli.build_parser().parse_known_args(words)
    assert rest == []
    assert callable(options.run)
    assert all((ROOT / word).is_file() for word in words if word.startswith("examples/"))


def test_all_commands_are_in_the_readme():
    assert {line.split()[0] for line in commands()} == {one.__name__.rpartition(".")[2] for one in cli.COMMANDS}


def test_continuous_integration_runs_the_readmes_command():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    assert "make test" in README
    if shutil.which("bash"):
        subprocess.run(["bash", "-n", str(script)], check=True)


TESTS = "-m pytest --numprocesses 2 --dist loadfile"


@pytest.fixture
def make(tmp_path):
    """`make(target)`: the commands that it would run, in an environment in which `made` marks are set already."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    outer = ("MAKE", "MFLAGS", "VENV", "PYTHON", "ARGS", "JOBS")  # of a make that runs these tests
    environment = {key: value for key, value in os.environ.items() if not key.startswith(outer)}

    def run(target: str, *made: str) -> list[str]:
        (tmp_path / "bin").mkdir(exist_ok=True)
        for mark in made:
            (tmp_path / mark).touch()
        arguments = ["make", "--no-print-directory", "-n", target, f"VENV={tmp_path}"]
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return [line.strip() for line in done.stdout.splitlines() if not line.startswith("echo")]

    return run


def test_a_fresh_clone_is_set_up_first(make, tmp_path):
    lines = make("test")
    assert any(f"-m venv {tmp_path}" in line for line in lines)
    assert sum("requirements-dev.txt" in line for line in lines) == 1
    assert lines[-1] == f"{tmp_path}/bin/python {TESTS}"
    assert any("-r requirements.txt" in line for line in make("demo"))


def test_what_is_set_up_is_not_set_up_again(make, tmp_path):
    assert make("demo", "bin/python", ".runtime") == [f"{tmp_path}/bin/python app.py"]
    assert make("test", "bin/python", ".runtime", ".dev") == [f"{tmp_path}/bin/python {TESTS}"]


def test_new_versions_are_installed(make, tmp_path):
    make("test", "bin/python", ".runtime", ".dev")
    for mark in (".runtime", ".dev"):
        os.utime(tmp_path / mark, (0, 0))
    assert any("install" in line for line in make("demo"))
    assert any("install" in line for line in make("test"))


def keys(document: object, but: frozenset[str] = frozenset(MOSEI)) -> set[str]:
    """All keys at any depth, emotions' names left out."""
    if isinstance(document, dict):
        return {key for key in document if key not in but}.union(*(keys(value) for value in document.values()))
    return set().union(*map(keys, document)) if isinstance(document, list) else set()


def documented(section: str) -> str:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    return next(part for part in text.split("\n## ") if part.startswith(f"`python -m fv2es {section}"))


def missing(names: set[str], section: str) -> set[str]:
    text = documented(section)
    return {name for name in names if f'"{name}"' not in text and f"`{name}`" not in text}


def test_the_document_of_analyse_is_documented():
    utterance, prediction = Utterance(Span(0, 1)), Prediction(np.zeros(6, np.float32), {})
    reading = make_reading(0, utterance, prediction, MOSEI, np.full(6, 0.5), {"decode": 0.1})
    document = analysis_json(
        file="clip.mp4",
        duration=1.0,
        model="tiny",
        checkpoint={"name": "tiny", "sha256": "", "version": "", "licence": "", "trained_on": []},
        summary=summarise([reading], MOSEI, np.full(6, 0.5)),
        utterances=[reading_json(reading)],
    )
    assert missing(keys(document), "analyse CLIP --json") == set()


def test_the_document_of_evaluate_is_documented():
    document = report(np.eye(6, dtype=bool), np.eye(6), np.full(6, 0.5), MOSEI, ["face"])
    assert missing(keys(document) | {"empty", "skipped"}, "evaluate") == set()


def test_the_document_of_models_is_documented():
    from fv2es.cli.models import list_all

    assert missing(keys(list_all()), "models") == set()
