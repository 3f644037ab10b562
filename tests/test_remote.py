"""The Hub's own client against a Hub in miniature: what is fetched, published, and said when something is wrong.

The client reads its settings when it is imported, so each of its runs is a process of its own.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_server import TOKEN, Hub, serve
from oracles import LetterTokenizer, mixed_utterances, shake, tiny_v2em

from fv2es import hub as checkpoints
from fv2es.emotions import MOSEI
from fv2es.hub import CARD, CONFIG, TOKENIZER, WEIGHTS
from fv2es.models.inputs import make_batch

ROOT = Path(__file__).resolve().parents[1]
NAME = "someone/tiny"
GUARD = 240  # seconds; only against a client that never ends

FETCH = """
import json, sys
from fv2es.hub import CheckpointError, open_checkpoint, weights_of
try:
    print(json.dumps({"folder": str(weights_of(open_checkpoint(sys.argv[1])).parent)}))
except CheckpointError as error:
    print(json.dumps({"error": str(error)}))
"""

LOGITS = """
import sys
import torch
from oracles import LetterTokenizer, mixed_utterances, tiny_v2em
from fv2es.hub import load_model, open_checkpoint
from fv2es.models import registry
from fv2es.models.inputs import make_batch
registry.list_models()
registry._BUILDERS["tiny"] = tiny_v2em
model = load_model(open_checkpoint(sys.argv[1]))
with torch.inference_mode():
    torch.save(model(make_batch(mixed_utterances(), model.inputs, LetterTokenizer())).logits, sys.argv[2])
"""


OFFER = """
import json, logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
from fv2es.ui.models import find_models
models = find_models(load=lambda checkpoint: checkpoint)
print(json.dumps([models.default, *(one.name for one in models.offers)]))
"""


@pytest.fixture
def hub():
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model and the folder of its checkpoint, whole enough to be published."""
    torch.manual_seed(0)
    model = shake(tiny_v2em())
    folder = tmp_path_factory.mktemp("shelf") / "mine"
    model.inputs = type(model.inputs)(**{**vars(model.inputs), "tokenizer": TOKENIZER})
    thresholds = dict.fromkeys(MOSEI, 0.5)
    checkpoints.save(
        model, folder, {"architecture": "tiny", "thresholds": thresholds, "licence": "CC0", "version": "3"}
    )
    (folder / CARD).write_text("---\nlicense: cc0-1.0\n---\n\n# mine\n", encoding="utf-8")
    (folder / TOKENIZER).write_text('{"made": "up"}', encoding="utf-8")
    return model.eval(), folder


@pytest.fixture
def files(made) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made[1].iterdir()}


@pytest.fixture
def client(hub, tmp_path, made):
    """Runs Python in a process whose Hub is the one in miniature; its cache is the test's own. It waits a second where
    nobody answers, and far longer where only a busy machine is slow."""

    def run(*arguments: str, address: str | None = None, **more: str) -> subprocess.CompletedProcess:
        silence = address or hub.deafens or hub.deaf is not None or hub.stuck is not None
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "LANG") if name in os.environ}
        settings = {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
            "PYTHONUTF8": "1",
            "HF_ENDPOINT": address or hub.address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1" if silence else "60",
            "NO_PROXY": "*",
            "OMP_NUM_THREADS": "1",
            "FV2ES_CHECKPOINTS": str(made[1].parent),
        }
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=kept | settings | more, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=GUARD
        )

    return run


@pytest.fixture
def fetch(client, tmp_path):
    """What `open_checkpoint` gives in a fresh process: the folder, or the one sentence that is said instead."""

    def run(name: str, **more: str) -> Path | str:
        done = client("-c", FETCH, name, **more)
        assert done.returncode == 0, done.stderr
        assert "Retrying" not in done.stderr, "the client tries again where it should give up"
        answer = json.loads(done.stdout)
        if "folder" in answer:
            return Path(answer["folder"])
        said = answer["error"]
        assert repr(name) in said
        assert said.endswith(".")
        assert said.count(". ") == 0
        assert not any(part in said for part in ("\n", "Traceback", "http", str(tmp_path)))
        return said

    return run


@pytest.fixture
def publish(client, made):
    """The command, with a token unless told otherwise."""

    def run(name: str = "mine", *options: str, repo: str = NAME, token: str = TOKEN, **more: str):
        return client("-m", "fv2es", "publish", name, "--repo", repo, *options, HF_TOKEN=token, **more)

    return run


@pytest.fixture
def silent():
    """The address of a server that takes every call and never says a word; `.calls()` counts them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        class Silent:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"

            def calls(self) -> int:
                count = 0
                while True:
                    try:
                        listener.accept()[0].close()
                    except BlockingIOError:
                        return count
                    count += 1

        yield Silent()


@pytest.fixture
def nowhere():
    """An address where nobody listens, which nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# Fetching


def test_a_commit_a_tag_and_a_branch(hub: Hub, fetch, files):
    repository = hub.repository(NAME)
    first = repository.commit(files | {"notes.txt": b"not asked for"})
    repository.refs["v1"] = first
    second = repository.commit({CARD: b"a better card"})
    assert fetch(f"{NAME}@{first}").name == first
    assert fetch(f"{NAME}@v1").name == first
    folder = fetch(NAME)
    assert folder.name == second
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, CARD, TOKENIZER}
    assert (folder / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert hub.gets("/large/") == [""], "the weights are the same in both"


def test_a_moved_branch_is_noticed(hub: Hub, fetch, files):
    repository = hub.repository(NAME)
    first = repository.commit(files)
    assert fetch(f"{NAME}@main").name == first
    second = repository.commit({CARD: b"a better card"})
    folder = fetch(f"{NAME}@main")
    assert folder.name == second
    assert (folder / CARD).read_bytes() == b"a better card"


def test_a_commit_in_the_cache_needs_no_network(hub: Hub, fetch, files, nowhere):
    commit = hub.repository(NAME).commit(files)
    folder = fetch(f"{NAME}@{commit}")
    hub.asked.clear()
    assert fetch(f"{NAME}@{commit}") == folder
    assert fetch(f"{NAME}@{commit}", address=nowhere) == folder
    assert fetch(f"{NAME}@{commit}", HF_HUB_OFFLINE="1") == folder
    assert hub.asked == []


def test_a_branch_in_the_cache_stands_in_while_the_hub_is_away(hub: Hub, fetch, files, silent, nowhere):
    hub.repository(NAME).commit(files)
    folder = fetch(NAME)
    assert fetch(NAME, HF_HUB_OFFLINE="1") == folder
    assert fetch(NAME, address=nowhere) == folder
    assert fetch(NAME, address=silent.address) == folder
    assert silent.calls() == 1
    hub.status = 503
    assert fetch(NAME) == folder


def test_nothing_in_the_cache_and_no_hub(fetch, silent, nowhere):
    said = f"The checkpoint {NAME!r} could not be fetched from the Hub"
    assert fetch(NAME, HF_HUB_OFFLINE="1") == f"{said}."
    assert fetch(NAME, address=nowhere) == f"{said}: it does not answer."
    assert fetch(NAME, address=silent.address) == f"{said}: it does not answer."
    assert silent.calls() == 1


def large(files: dict[str, bytes], size: int) -> dict[str, bytes]:
    """The files with weights of so many bytes, which the config names."""
    weights = bytes(range(256)) * (size // 256) + b"the rest"
    config = json.loads(files[CONFIG]) | {"sha256": hashlib.sha256(weights).hexdigest()}
    return files | {WEIGHTS: weights, CONFIG: json.dumps(config).encode()}


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub: Hub, fetch, files):
    files = large(files, 2**20)
    hub.repository(NAME).commit(files)
    hub.cut = 300_003
    folder = fetch(NAME)
    assert (folder / WEIGHTS).read_bytes() == files[WEIGHTS]
    whole, rest = hub.gets("/large/")
    assert (whole, rest) == ("", "bytes=300003-")


def test_a_server_that_stops_in_mid_file(hub: Hub, fetch, files):
    """It is given up with a sentence, and the next try, another process, goes on from there."""
    files = large(files, 2**20)
    hub.repository(NAME).commit(files)
    said = f"The checkpoint {NAME!r} could not be fetched from the Hub: "
    hub.stuck = 0
    assert fetch(NAME) == said + "the connection broke off; the next try goes on from there."
    assert hub.gets("/large/") == [""] * 3, "three lines that bring nothing are enough"
    hub.asked.clear()
    hub.stuck = 300_003
    assert fetch(NAME) == said + "the connection broke off; the next try goes on from there."
    assert fetch(NAME, HF_HUB_OFFLINE="1").startswith("The checkpoint"), "half a checkpoint is none"
    hub.asked.clear()
    hub.stuck = None
    folder = fetch(NAME)
    assert (folder / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert hub.gets("/large/") == ["bytes=300003-"]


def test_a_server_that_stops_after_its_first_answer(hub: Hub, fetch, files):
    hub.repository(NAME).commit(files)
    hub.deafens = True
    said = f"The checkpoint {NAME!r} could not be fetched from the Hub: the connection broke off"
    assert fetch(NAME) == f"{said}; the next try goes on from there."
    assert len(hub.asked) == 2


def test_what_was_fetched_last_stands_in_where_the_new_cannot_come(hub: Hub, fetch, files):
    repository = hub.repository(NAME)
    old = repository.commit(files)
    assert fetch(NAME).name == old
    new = repository.commit(large(files, 2**20))
    hub.stuck = 0
    assert fetch(NAME).name == old
    hub.stuck = None
    assert fetch(NAME).name == new
    assert fetch(NAME, HF_HUB_OFFLINE="1").name == new


def test_a_part_that_cannot_be_right_is_thrown_away(hub: Hub, fetch, files, tmp_path):
    files = large(files, 2**20)
    hub.repository(NAME).commit(files)
    blobs = tmp_path / "home" / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{hashlib.sha256(files[WEIGHTS]).hexdigest()}.part"
    part.write_bytes(b"of something else")
    said = f"The checkpoint {NAME!r} could not be fetched from the Hub: {WEIGHTS} is not what the Hub has"
    assert fetch(NAME) == f"{said} (SHA-256 differs)."
    assert not part.exists()
    part.write_bytes(bytes(len(files[WEIGHTS]) + 1))
    assert (fetch(NAME) / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_the_token_stays_with_the_hub(hub: Hub, fetch, files):
    hub.repository(NAME, private=True).commit(files)
    fetch(NAME, HF_TOKEN=TOKEN)
    assert hub.gets("/large/") == [""]
    assert hub.keys == set()


def test_the_cache_is_the_clients(hub: Hub, fetch, client, files, nowhere):
    """What was fetched is found by the client's own functions, whole, and without the Hub."""
    commit = hub.repository(NAME).commit(files)
    folder = fetch(NAME)
    code = (
        "import huggingface_hub as h\n"
        f"print(h.snapshot_download({NAME!r}, local_files_only=True))\n"
        "(one,) = h.scan_cache_dir().repos\n"
        "print(one.repo_id, *(r.commit_hash for r in one.revisions), *(sorted(*(r.refs for r in one.revisions))))"
    )
    done = client("-c", code, address=nowhere)
    assert done.stdout.splitlines() == [str(folder), f"{NAME} {commit} main"], done.stderr


def test_xet_is_not_needed(hub: Hub, fetch, files):
    """Where the Hub points to a Xet store, the weights come over plain HTTP all the same."""
    hub.repository(NAME).commit(files)
    hub.xet = True
    assert (fetch(NAME) / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert not any("xet" in path for _, path, _ in hub.asked)


def test_what_came_before_a_failure_is_not_fetched_again(hub: Hub, fetch, files):
    hub.repository(NAME).commit(files)
    hub.lost = {TOKENIZER}
    assert fetch(NAME) == f"The checkpoint {NAME!r} could not be fetched from the Hub: a file is missing there."
    assert fetch(NAME, HF_HUB_OFFLINE="1").startswith("The checkpoint"), "half a checkpoint is none"
    hub.lost = set()
    fetch(NAME)
    assert len(hub.gets(f"/{CARD}")) == 1
    assert len(hub.gets("/large/")) == 1


def test_weights_that_the_hub_lists_and_does_not_have(hub: Hub, fetch, files):
    hub.repository(NAME).commit(files)
    hub.lost = {WEIGHTS}
    assert fetch(NAME) == f"The checkpoint {NAME!r} could not be fetched from the Hub: a file is missing there."


def test_weights_that_change_on_the_way(hub: Hub, fetch, files):
    commit = hub.repository(NAME).commit(files)
    name = f"{NAME}@{commit}"
    hub.swapped = True
    said = f"The checkpoint {name!r} could not be fetched from the Hub"
    assert fetch(name) == f"{said}: {WEIGHTS} is not what the Hub has (SHA-256 differs)."
    assert fetch(name, HF_HUB_OFFLINE="1") == f"{said}."
    hub.swapped = False
    assert (fetch(name) / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_weights_that_change_in_the_cache(hub: Hub, fetch, files):
    commit = hub.repository(NAME).commit(files)
    name = f"{NAME}@{commit}"
    folder = fetch(name)
    (folder / WEIGHTS).resolve().write_bytes(b"damaged")
    wrong = f"The weights of {name!r} are not those its config names (SHA-256 differs)."
    assert fetch(name, HF_HUB_OFFLINE="1") == wrong
    assert (fetch(name) / WEIGHTS).read_bytes() == files[WEIGHTS], "and are fetched anew as soon as that is possible"


def test_a_repository_whose_config_names_other_weights(hub: Hub, fetch, files):
    config = json.loads(files[CONFIG]) | {"sha256": "0" * 64}
    hub.repository(NAME).commit(files | {CONFIG: json.dumps(config).encode()})
    wrong = f"The weights of {NAME!r} are not those its config names (SHA-256 differs)."
    assert fetch(NAME) == wrong
    assert fetch(NAME) == wrong
    assert fetch(NAME, HF_HUB_OFFLINE="1") == wrong


@pytest.mark.parametrize("absent", [CONFIG, WEIGHTS])
def test_a_repository_without_what_is_needed(hub: Hub, fetch, files, absent):
    del files[absent]
    hub.repository(NAME).commit(files)
    assert f"has no {absent}" in fetch(NAME)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("someone/else", "there is no such repository, or it is not yours to see"),
        ("someone/secret", "there is no such repository, or it is not yours to see"),
        (f"{NAME}@v9", "it has no such revision"),
        (f"{NAME}@{'0' * 40}", "it has no such revision"),
    ],
)
def test_what_the_hub_does_not_have(hub: Hub, fetch, files, name, reason):
    hub.repository(NAME).commit(files)
    hub.repository("someone/secret", private=True).commit(files)
    assert fetch(name) == f"The checkpoint {name!r} could not be fetched from the Hub: {reason}."


def test_a_hub_in_trouble_and_a_server_that_is_none(hub: Hub, fetch):
    said = f"The checkpoint {NAME!r} could not be fetched from the Hub"
    hub.status = 503
    assert fetch(NAME) == f"{said}: the Hub answers with status 503."
    hub.status, hub.body = 200, b"<html>Welcome to our Wi-Fi</html>"
    assert fetch(NAME) == f"{said}: its answer is not the Hub's."


def test_a_host_offers_models_of_the_hub(hub: Hub, client, files):
    """FV2ES_CHECKPOINT: fetched at the start with a word on how far it is, as much as can be had."""
    name = f"{NAME}@{hub.repository(NAME).commit(files)}"
    done = client("-c", OFFER, FV2ES_CHECKPOINT=f"{name},someone/else")
    assert json.loads(done.stdout) == [name, "mine", name], done.stderr
    assert f"INFO {NAME} {WEIGHTS}: 0.0 MB of " in done.stderr
    assert f"INFO {NAME} {WEIGHTS}: 100 %." in done.stderr
    assert "WARNING The checkpoint 'someone/else' could not be fetched from the Hub: there is no such" in done.stderr


# Publishing


def test_published_and_fetched_gives_the_same_logits(hub: Hub, publish, client, made, files, tmp_path):
    model, _ = made
    done = publish()
    assert (done.returncode, done.stderr) == (0, "")
    commit = hub.repositories[NAME].refs["main"]
    assert done.stdout.splitlines() == [
        f"mine is at {hub.address}/{NAME}, commit {commit}.",
        f"It is used with --model {NAME}@{commit}",
    ]
    assert hub.repositories[NAME].commits[commit] == files | {".gitattributes": b"made\n"}
    assert not hub.repositories[NAME].private
    assert [one["value"]["summary"] for one in hub.operations if one["key"] == "header"] == ["mine, version 3"]
    again = client("-c", LOGITS, f"{NAME}@{commit}", str(tmp_path / "logits.pt"))
    assert again.returncode == 0, again.stderr
    with torch.inference_mode():
        expected = model(make_batch(mixed_utterances(), model.inputs, LetterTokenizer())).logits
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), expected, atol=1e-5, rtol=0)


def test_a_repository_that_is_there_is_updated_and_loses_nothing(hub: Hub, publish, files):
    old = hub.repository(NAME).commit({CARD: b"old", "notes.txt": b"keep me"})
    assert publish().returncode == 0
    new = hub.repositories[NAME].refs["main"]
    assert new != old
    assert hub.repositories[NAME].commits[new] == files | {"notes.txt": b"keep me"}
    assert {one["key"] for one in hub.operations} == {"header", "file", "lfsFile"}
    assert publish().returncode == 0
    assert hub.repositories[NAME].refs["main"] == new, "the same again is no new commit"


def test_a_private_repository(hub: Hub, publish):
    assert publish("mine", "--private").returncode == 0
    assert hub.repositories[NAME].private
    assert publish("mine", "--private").returncode == 0
    hub.repository("someone/open").commit({CARD: b"old"})
    done = publish("mine", "--private", repo="someone/open")
    assert done.returncode == 2
    assert done.stderr == "'someone/open' is there already and public; what goes into it can be seen by all.\n"
    assert len(hub.repositories["someone/open"].commits) == 1


def refused(done: subprocess.CompletedProcess) -> str:
    """The one sentence on standard error."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_who_may_not_publish(hub: Hub, publish):
    assert refused(publish(token="")) == ("The Hub wants to know who publishes: run `hf auth login`, or set HF_TOKEN.")
    assert refused(publish(HF_HUB_OFFLINE="1")) == "HF_HUB_OFFLINE is set: nothing can be published."
    assert hub.asked == []
    assert refused(publish(token="hf_other")) == (
        f"'mine' could not be published as '{NAME}': the token does not allow it."
    )
    assert hub.repositories == {}


def test_no_hub_to_publish_to(publish, silent, nowhere):
    said = f"'mine' could not be published as '{NAME}': the Hub cannot be reached."
    assert refused(publish(address=nowhere)) == said
    assert refused(publish(address=silent.address)) == said


def test_a_branch_of_ones_own(hub: Hub, publish, fetch, files):
    hub.repository(NAME).commit({CARD: b"old", "notes.txt": b"keep me"})
    done = publish("mine", "--revision", "trials/one")
    assert (done.returncode, done.stderr) == (0, "")
    repository = hub.repositories[NAME]
    made = repository.refs["trials/one"]
    assert repository.commits[made] == files | {"notes.txt": b"keep me"}
    assert repository.commits[repository.refs["main"]][CARD] == b"old"
    assert f"--model {NAME}@{made}" in done.stdout
    assert publish("mine", "--revision", "trials/one").returncode == 0, "one that is there is used"
    assert fetch(f"{NAME}@trials/one").name == made
    assert fetch(f"{NAME}@trials/one", HF_HUB_OFFLINE="1").name == made


def test_a_branch_of_a_repository_that_is_new(hub: Hub, publish, files):
    assert publish("mine", "--revision", "main").returncode == 0
    assert publish("mine", "--revision", "v2", repo="someone/new").returncode == 0
    repository = hub.repositories["someone/new"]
    assert WEIGHTS not in repository.commits[repository.refs["main"]]
    assert repository.commits[repository.refs["v2"]][WEIGHTS] == files[WEIGHTS]


def test_what_is_no_branch(hub: Hub, publish, files):
    repository = hub.repository(NAME)
    commit = repository.commit(files)
    for name, why in {
        commit: "is a commit, which stays as it is: name a branch",
        "refs/pr/1": "is not the name of a branch",
        "a..b": "is not the name of a branch",
        "/a": "is not the name of a branch",
        "a b": "is not the name of a branch",
        "": "is not the name of a branch",
    }.items():
        assert refused(publish("mine", "--revision", name)) == f"{name!r} {why}."
    assert hub.asked == []
    repository.refs["v1"] = commit
    repository.tags.add("v1")
    said = f"'v1' is a tag of '{NAME}', which stays where it is: name a branch."
    assert refused(publish("mine", "--revision", "v1")) == said
    assert list(repository.commits) == [commit]


@pytest.mark.parametrize("deaf", ["/create", "/validate-yaml", "/commit/"])
def test_a_hub_that_falls_silent_on_the_way(hub: Hub, publish, deaf):
    hub.deaf = deaf
    assert refused(publish()).endswith(": the Hub stopped answering.")


def test_a_hub_without_a_xet_store(hub: Hub, publish):
    """The client would hand the weights to Xet without asking; the command has it use plain HTTP unless told so."""
    assert publish().returncode == 0
    assert not any("xet" in path for _, path, _ in hub.asked)
    said = refused(publish(repo="someone/else", HF_HUB_DISABLE_XET="0"))
    assert said == "'mine' could not be published as 'someone/else': its Xet store does not answer; " + (
        "HF_HUB_DISABLE_XET=1 goes without."
    )


@pytest.mark.parametrize("repo", ["tiny", "a/b/c", "a/b@main", "../b c"])
def test_no_name_of_a_repository(hub: Hub, publish, repo):
    assert refused(publish(repo=repo)) == f"{repo!r} is not the name of a repository: ORG/NAME is needed."
    assert hub.asked == []


def edit(folder: Path, **values) -> None:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8")) | values
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def test_only_what_is_whole_is_published(hub: Hub, publish, made, tmp_path):
    shelf = tmp_path / "shelf"
    for name in ("no-card", "no-licence", "wrong", "no-words", "odd-card"):
        shutil.copytree(made[1], shelf / name)
    (shelf / "no-card" / CARD).unlink()
    edit(shelf / "no-licence", licence="")
    edit(shelf / "wrong", sha256="0" * 64)
    (shelf / "no-words" / TOKENIZER).unlink()
    for name, sentence in {
        "no-card": "The checkpoint 'no-card' has no model card (README.md).",
        "no-licence": "The config.json of 'no-licence' names no licence.",
        "wrong": "The weights of 'wrong' are not those its config names (SHA-256 differs).",
        "no-words": "The checkpoint 'no-words' needs its vocabulary in tokenizer.json.",
        "someone/other": "'someone/other' is not a checkpoint that is here.",
    }.items():
        assert refused(publish(name, FV2ES_CHECKPOINTS=str(shelf))) == sentence
    assert refused(publish("absent", FV2ES_CHECKPOINTS=str(shelf))).startswith("There are no trained weights for")
    assert hub.asked == []
    (shelf / "odd-card" / CARD).write_text("no head", encoding="utf-8")
    assert refused(publish("odd-card", FV2ES_CHECKPOINTS=str(shelf))) == (
        f"'odd-card' could not be published as '{NAME}': the head of the model card is not valid."
    )
