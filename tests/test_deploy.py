"""A Space put together, sent by the Hub's own client to a Hub in miniature, and what a host reads about it.

The client reads its settings when it is imported, so each of its runs is a process of its own; it runs in a miniature
of this repository, whose package is the real one.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import TOKEN, Hub, serve

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
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
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
