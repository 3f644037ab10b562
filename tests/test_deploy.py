"""A Space put together, sent by the Hub's own client to a Hub in miniature, and what a host reads about it.

The client reads its settings when it is imported, so each of its runs is a process of its own; it runs in a miniature
of this repository, whose package is the real one.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import fields
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hub_server import TOKEN, Hub, serve

from fv2es.limits import Limits
from fv2es.remote import SpaceError, collect

ROOT = Path(__file__).resolve().parents[1]
NAME = "someone/page"
SPACE = f"spaces/{NAME}"
GUARD = 240  # seconds; only against a client that never ends
FILES = ("README.md", "LICENSE", "app.py", "requirements.txt", "packages.txt")
CLIP, SUBTITLES, PICTURE = "examples/a.mp4", "examples/a.srt", "docs/page.png"
STRAY = (
    "fv2es/notes.txt",
    "fv2es/__pycache__/x.pyc",
    "examples/render.py",
    "docs/other.png",
    "tests/test_x.py",
    ".env",
)


def checkpoint(folder: Path) -> None:
    """One that is fit to be shown to others, as far as can be seen without loading it."""
    folder.mkdir(parents=True)
    weights = folder.name.encode() * 1000
    config = {
        "format": 1,
        "architecture": "tiny",
        "licence": "CC0",
        "emotions": ["happy"],
        "thresholds": {"happy": 0.5},
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n", encoding="utf-8")
    (folder / "log.jsonl").write_text("{}", encoding="utf-8")


@pytest.fixture
def root(tmp_path) -> Path:
    """The miniature: what belongs into a Space, and what lies about."""
    root = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fv2es", root / "fv2es", ignore=ignore)
    for name in FILES:
        shutil.copyfile(ROOT / name, root / name)
    for name in (CLIP, SUBTITLES, PICTURE, *STRAY):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(name.encode())
    checkpoint(root / "checkpoints" / "mine")
    checkpoint(root / "checkpoints" / "other")
    return root


@pytest.fixture
def git(root):
    """Makes a checkout of it, in which `names` are known."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")

    def run(*names: str) -> None:
        subprocess.run(["git", "init", "-q", root], check=True, capture_output=True)
        subprocess.run(["git", "-C", root, "add", "-f", "--", *names], check=True, capture_output=True)

    return run


@pytest.fixture
def hub():
    with serve() as running:
        yield running


@pytest.fixture
def deploy(hub, root, tmp_path):
    """The command, with a token unless told otherwise."""

    def run(*options: str, to: tuple[str, ...] = ("--space", NAME), **more: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "LANG") if name in os.environ}
        settings = {
            "PYTHONPATH": str(root),
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "*",
        }
        command = [sys.executable, "-m", "fv2es", "deploy", *to, *options]
        return subprocess.run(
            command, env=kept | settings | more, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=GUARD
        )

    return run


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    return {path: file.read_bytes() for path, file in files.items()}


def belonging(root: Path, *checkpoints: str) -> set[str]:
    """Of the miniature, told apart otherwise than the code does."""
    code = {path.relative_to(root).as_posix() for path in (root / "fv2es").rglob("*") if path.is_file()}
    models = {f"checkpoints/{name}/{file}" for name in checkpoints for file in ("README.md", "config.json")}
    models |= {f"checkpoints/{name}/model.safetensors" for name in checkpoints}
    return {*FILES, CLIP, SUBTITLES, PICTURE} | (code - set(STRAY)) | models


def refused(done: subprocess.CompletedProcess) -> str:
    """The one sentence on standard error."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


# What goes along


@pytest.fixture
def shelf(root, monkeypatch):
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(root / "checkpoints"))


def test_what_lies_about_stays_here(root, shelf):
    assert set(collect(root=root)) == belonging(root, "mine", "other")
    assert set(collect(["other"], root)) == belonging(root, "other")


def test_of_a_checkout_only_what_git_knows(root, shelf, git):
    git(*FILES, "fv2es/__init__.py", "fv2es/notes.txt", CLIP, PICTURE, "tests", "checkpoints/mine")
    models = {path for path in belonging(root, "mine") if path.startswith("checkpoints/")}
    assert set(collect(root=root)) == {*FILES, "fv2es/__init__.py", CLIP, PICTURE} | models
    assert "checkpoints/other/config.json" in collect(["other"], root), "what is named goes along"


def test_of_this_repository_goes_what_the_page_needs():
    found = collect()
    assert {*FILES, "fv2es/ui/style.css", "fv2es/ui/page.js", "examples/good_news.mp4", "docs/page.png"} <= set(found)
    assert "checkpoints/v2em-compact/model.safetensors" in found
    assert not [path for path in found if path.startswith(("tests/", "benchmarks/", "runs/", ".")) or "cache" in path]
    shown = {path for path in found if path.startswith("docs/")}
    assert all(f"]({path})" in (ROOT / "README.md").read_text(encoding="utf-8") for path in shown)


def test_what_an_installed_package_lacks(root, shelf):
    for name in ("README.md", "app.py"):
        (root / name).unlink()
    with pytest.raises(SpaceError, match=r"^A Space needs README\.md and app\.py, which this installation .*checkout"):
        collect(root=root)


def test_a_readme_without_a_head(root, shelf):
    (root / "README.md").write_text("# FV2ES\n\n---\nsdk: gradio\n---\n", encoding="utf-8")
    with pytest.raises(SpaceError, match="no head"):
        collect(root=root)


# Into a folder


def test_a_folder_needs_no_network(hub: Hub, deploy, root, tmp_path):
    folder = tmp_path / "a" / "space"
    done = deploy(to=("--folder", str(folder)), HF_HUB_OFFLINE="1", HF_TOKEN="")
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(written) == belonging(root, "mine", "other")
    assert all(data == (root / path).read_bytes() for path, data in contents(written).items())
    assert done.stdout.startswith(f"{len(written)} files, ")
    assert hub.asked == []
    again = refused(deploy(to=("--folder", str(folder))))
    assert again == f"{folder} is not an empty folder."


# To the Hub


def test_a_space_is_made_and_filled_in_one_commit(hub: Hub, deploy, root):
    done = deploy("--hardware", "zero-a10g")
    assert (done.returncode, done.stderr) == (0, "")
    repository = hub.repositories[SPACE]
    commit = repository.refs["main"]
    assert f"at {hub.address}/spaces/{NAME}, commit {commit}." in done.stdout
    assert {key: repository.making.get(key) for key in ("type", "sdk", "hardware", "visibility")} == {
        "type": "space",
        "sdk": "gradio",
        "hardware": "zero-a10g",
        "visibility": None,
    }
    assert len(repository.commits) == 2, "the first is the Hub's own"
    expected = {path: (root / path).read_bytes() for path in belonging(root, "mine", "other")}
    assert repository.commits[commit] == expected | {".gitattributes": b"made\n"}
    large = {one["value"]["path"] for one in hub.operations if one["key"] == "lfsFile"}
    assert {CLIP, PICTURE, "checkpoints/mine/model.safetensors"} <= large


def test_a_space_is_brought_up_to_date(hub: Hub, deploy, root):
    assert deploy("--checkpoint", "mine").returncode == 0
    repository = hub.repositories[SPACE]
    repository.commit({"fv2es/old.py": b"stale", "notes.md": b"the host's own"})
    hub.operations.clear()
    (root / "app.py").write_text("# new\n", encoding="utf-8")
    done = deploy("--checkpoint", "other")
    assert (done.returncode, done.stderr) == (0, "")
    there = repository.commits[repository.refs["main"]]
    assert set(there) == belonging(root, "other") | {".gitattributes", "notes.md"}
    assert there["app.py"] == b"# new\n"
    sent = {one["value"]["path"] for one in hub.operations if one["key"] in ("file", "lfsFile")}
    assert "app.py" in sent
    assert "LICENSE" not in sent, "what is the same is not sent again"
    last = repository.refs["main"]
    assert deploy("--checkpoint", "other").returncode == 0
    assert repository.refs["main"] == last, "the same again is no new commit"


def test_a_space_that_holds_something_else_is_left_alone(hub: Hub, deploy):
    hub.repository(SPACE).commit({"README.md": b"---\nsdk: gradio\n---\n", "app.py": b"another's"})
    assert refused(deploy()) == f"The Space {NAME!r} is there already and holds something else."
    assert len(hub.repositories[SPACE].commits) == 1
    hub.repository("spaces/someone/empty").commit({"README.md": b"---\nsdk: gradio\n---\n"})
    assert deploy(to=("--space", "someone/empty")).returncode == 0


def test_a_private_space_and_a_branch(hub: Hub, deploy):
    assert deploy("--private", "--revision", "trial").returncode == 0
    repository = hub.repositories[SPACE]
    assert repository.private
    assert "app.py" in repository.commits[repository.refs["trial"]]
    assert "app.py" not in repository.commits[repository.refs["main"]]
    hub.repository("spaces/someone/open").commit({"README.md": b"old"})
    said = "'someone/open' is there already and public; what goes into it can be seen by all."
    assert refused(deploy("--private", to=("--space", "someone/open"))) == said


def test_a_space_and_a_model_may_share_a_name(hub: Hub, deploy):
    hub.repository(NAME).commit({"README.md": b"a model"})
    assert deploy().returncode == 0
    assert len(hub.repositories[NAME].commits) == 1


def test_who_may_not_deploy(hub: Hub, deploy):
    assert refused(deploy(HF_TOKEN="")) == "The Hub wants to know who publishes: run `hf auth login`, or set HF_TOKEN."
    assert refused(deploy(HF_HUB_OFFLINE="1")) == "HF_HUB_OFFLINE is set: nothing can be published."
    assert hub.asked == []
    said = f"The Space {NAME!r} could not be deployed: "
    assert refused(deploy(HF_TOKEN="hf_other")) == said + "the token does not allow it."
    assert refused(deploy(HF_ENDPOINT="http://127.0.0.1:9")) == said + "the Hub cannot be reached."
    hub.paid = True
    assert "wants to be paid" in refused(deploy())
    assert hub.repositories == {}
    assert deploy("--hardware", "zero-a10g").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--space", "page"), "'page' is not the name of a Space: ORG/NAME is needed."),
        (("--space", NAME, "--revision", "a b"), "'a b' is not the name of a branch."),
        (("--space", NAME, "--checkpoint", "a/b"), "'a/b' is not a checkpoint that is here; FV2ES_CHECKPOINT names"),
        (("--space", NAME, "--checkpoint", "gone"), "There are no trained weights for 'gone' here"),
    ],
)
def test_what_cannot_be_meant(hub: Hub, deploy, options, said):
    assert refused(deploy(to=options)).startswith(said)
    assert hub.asked == []


def test_a_checkpoint_without_a_card_is_not_shown_to_others(hub: Hub, deploy, root):
    (root / "checkpoints" / "mine" / "README.md").unlink()
    assert refused(deploy()) == "The checkpoint 'mine' has no model card (README.md)."
    assert hub.asked == []


# A machine of one's own


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, in their order, with what follows them on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in joined if line.strip()]


def is_let_through(path: str) -> bool:
    """By .dockerignore, of whose rules the last that fits counts; one for a folder is one for all in it."""
    through = True
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = Path(path).parts
        hit = any(fnmatch(part, pattern) for part in (parts if "**/" in rule else parts[:1]))
        if rule and not rule.startswith("#") and hit:
            through = rule.startswith("!")
    return through


def copied() -> set[str]:
    """What the last stage takes from this repository."""
    last = instructions()[[word for word, _ in instructions()].index("FROM", 1) :]
    lines = [rest.split()[:-1] for word, rest in last if word == "COPY" and not rest.startswith("--from")]
    return {source for line in lines for source in line}


def test_the_image_has_what_a_space_has():
    known = {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {word for word, _ in instructions()} <= known
    for path in collect():
        if path != "requirements.txt" and not path.startswith("docs/"):
            assert copied() & {path, path.partition("/")[0]}, f"{path} is not copied"
            assert is_let_through(path), f"{path} is kept away"
    assert all((ROOT / source).exists() and is_let_through(source) for source in {*copied(), "requirements.txt"})
    kept_away = ("tests/test_app.py", "runs/x", ".git/config", "fv2es/ui/__pycache__/x.pyc", "requirements-dev.txt")
    assert not [path for path in kept_away if is_let_through(path)]


def test_the_image_runs_as_the_page_asks():
    from fv2es.ui.jobs import HEALTH

    head = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    (python,) = {rest.split("-")[0] for word, rest in instructions() if word == "FROM"}
    assert f'python_version: "{python.removeprefix("python:")}"' in head
    last = dict(instructions())
    assert last["USER"] not in ("root", "0")
    words = [word for word, _ in instructions()]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))
    assert "GRADIO_SERVER_NAME=0.0.0.0" in last["ENV"]
    check = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    assert check[:2] == ["python", "-c"]
    assert f"'GET', '{HEALTH}'" in check[2]
    assert last["EXPOSE"] == "7860" in check[2]
    assert json.loads(last["CMD"]) == ["python", "app.py"]


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, True), (500, False), (None, False)])
def test_the_check_of_health(status, well):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/health" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    code = json.loads(dict(instructions())["HEALTHCHECK"].partition("CMD ")[2])[2]
    with ThreadingHTTPServer(("127.0.0.1", 0), Page, bind_and_activate=False) as server:
        server.server_bind()  # now the port is nobody else's, and nobody answers there
        if status is not None:
            server.server_activate()
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        code = code.replace("7860", str(server.server_port))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        if status is not None:
            server.shutdown()
    assert (done.returncode == 0) is well


# What a host reads


def documented() -> dict[str, str]:
    """Variable → what holds without it."""
    text = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
    table = text.partition("## Environment variables")[2].partition("\n## ")[0]
    found = {}
    for names, _, default in re.findall(r"^\| (`.*?) \| (.*) \| (.*?) ?\|$", table, re.MULTILINE):
        names = re.findall(r"`(\w+)`", names)
        defaults = default.split(", ") if len(names) == len(default.split(", ")) else [default] * len(names)
        found |= dict(zip(names, defaults, strict=True))
    return found


def read_by_the_code() -> set[str]:
    """Every whole string of the code that is the name of such a variable, and those of the limits."""
    names = {f"FV2ES_{field.name.upper()}" for field in fields(Limits)}
    for file in [ROOT / "app.py", *(ROOT / "fv2es").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= set(re.findall(r"^(?:FV2ES|HF|GRADIO|SPACES|OMP)_[A-Z_]*[A-Z]$", node.value))
    return names


def test_all_variables_are_in_the_table():
    table, code = set(documented()), read_by_the_code()
    assert {"FV2ES_CHECKPOINT", "FV2ES_WHISPER", "FV2ES_MAX_BYTES", "HF_HUB_DISABLE_XET"} <= code, "they were found"
    assert code <= table
    assert {name for name in table if name.startswith("FV2ES_")} <= code


def test_what_is_fetched_beforehand_is_what_is_used():
    from fv2es.modalities.speech.whisper import MULTILINGUAL, NEEDED, WEIGHTS

    head = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    line = head.partition("preload_from_hub:\n")[2].partition("\n")[0]
    repository, files, revision = line.removeprefix("  - ").split()
    assert f"{repository}@{revision}" == WEIGHTS
    assert {*NEEDED, "vocabulary.txt"} <= set(files.split(","))
    assert f"  - {MULTILINGUAL.partition('@')[0]}\n" in head.partition("models:\n")[2]


def test_the_limits_of_the_table_hold():
    table = documented()
    for field in fields(Limits):
        assert float(table[f"FV2ES_{field.name.upper()}"]) == field.default, field.name


def test_what_is_said_of_deleting_holds():
    from fv2es.takeaway import shelf
    from fv2es.ui import page

    text = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
    assert (page.KEEP, page.SWEEP, shelf.KEEP_SECONDS, shelf.MAX_BYTES) == (3600, 600, 3600, 1e9)
    assert all(
        said in text for said in ("an hour old", "every ten minutes", "1 GB of newer ones", "hour after the tab")
    )


def test_the_links_of_the_page_lead_somewhere():
    for target in re.findall(r"\]\(([^)#\s]+)\)", (ROOT / "docs/hosting.md").read_text(encoding="utf-8")):
        assert (ROOT / "docs" / target).exists()
