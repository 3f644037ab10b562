"""Which models the page offers: in what order, loaded once and a few at a time; the host's, or those that ship."""

import logging
import threading
from types import SimpleNamespace

import pytest
from processes import PATIENCE
from test_app import made_up_checkpoint
from test_hub import edit, make, shelf, tiny  # noqa: F401  (fixtures)

from fv2es.hub import CARD, WEIGHTS, CheckpointError, open_checkpoint
from fv2es.ui.models import VARIABLE, Models, Offer, find_models, title

CARD_TEXT = """---
license: cc0-1.0
---

# mine

Six emotions of an utterance, from
face, voice or words. The compact size of Dice (Nobody et al. 2022): it
throws them.

| a | table |
"""


def fake(checkpoint):
    return SimpleNamespace(name=checkpoint.name, checkpoint=checkpoint)


def offers(*names: str) -> list[Offer]:
    return [Offer(made_up_checkpoint(name)) for name in names]


# Loading


def test_a_model_is_loaded_when_it_is_first_asked_for():
    loaded = []
    models = Models(offers("a", "b"), "a", load=lambda one: loaded.append(one.name) or fake(one))
    assert loaded == []
    assert models.reader("b") is models.reader("b")
    assert models.reader().name == models.reader(None).name == "a"
    assert loaded == ["b", "a"]


def test_visitors_who_come_at_once_wait_for_one_loading_and_not_for_another_models():
    loaded, go, begun = [], threading.Event(), threading.Event()

    def load(checkpoint):
        loaded.append(checkpoint.name)
        if checkpoint.name == "slow":
            begun.set()
            assert go.wait(PATIENCE)
        return fake(checkpoint)

    models, found = Models(offers("quick", "slow"), "quick", load), []
    threads = [threading.Thread(target=lambda: found.append(models.reader("slow"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(PATIENCE)
    assert models.reader("quick").name == "quick"
    assert found == []
    go.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert loaded == ["slow", "quick"]
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_few_stay_loaded_and_the_default_always():
    loaded = []
    models = Models(offers(*"abcd"), "a", load=lambda one: loaded.append(one.name) or fake(one), kept=2)
    for name in "abcbd":
        models.reader(name)
    assert loaded == ["a", "b", "c", "b", "d"]
    models.reader("a")
    models.reader("d")
    assert loaded == ["a", "b", "c", "b", "d"]


def test_a_model_that_could_not_be_loaded_is_tried_again():
    def load(checkpoint):
        if not ready:
            raise CheckpointError("Not yet.")
        return fake(checkpoint)

    models, ready = Models(offers("a"), "a", load), []
    with pytest.raises(CheckpointError, match="Not yet"):
        models.reader()
    ready.append(True)
    assert models.reader().name == "a"


def test_what_is_not_offered_is_not_loaded():
    with pytest.raises(CheckpointError, match=r"There is no model .* here; those that are: a, b"):
        Models(offers("a", "b"), "a", load=fake).reader("../x")


# Names


@pytest.mark.parametrize(
    ("name", "config", "shown"),
    [
        ("v2em-compact", {}, "V2EM compact"),
        ("rfam-focal-compact", {}, "RFAM focal compact"),
        ("emotion-queries", {}, "Emotion queries"),
        ("mine", {"title": "My <model>"}, "My <model>"),
        ("someone/tiny@v1", {"name": "fe2e-compact"}, "FE2E compact (someone/tiny@v1)"),
        (f"someone/tiny@{'0123456789' * 4}", {"name": "mine"}, "Mine (someone/tiny@0123456)"),
    ],
)
def test_titles(name, config, shown):
    assert title(made_up_checkpoint(name, **config)) == shown


def test_what_a_model_is_comes_from_its_config_or_its_card(shelf):  # noqa: F811
    make(shelf, "mine")
    assert Offer(open_checkpoint("mine")).about == ""
    (shelf / "mine" / CARD).write_text(CARD_TEXT, encoding="utf-8")
    assert Offer(open_checkpoint("mine")).about == "The compact size of Dice (Nobody et al. 2022): it throws them."
    edit(shelf / "mine", description="It throws dice.")
    assert Offer(open_checkpoint("mine")).about == "It throws dice."


# Finding


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A Hub that has `someone/tiny` alone; what is asked of it."""
    make(tmp_path, "far")
    asked = []

    def fetch(name):
        asked.append(name)
        if not name.startswith("someone/tiny"):
            raise CheckpointError(f"The checkpoint {name!r} could not be fetched from the Hub: it does not answer.")
        return tmp_path / "far"

    monkeypatch.setattr("fv2es.remote.fetch", fetch)
    monkeypatch.delenv(VARIABLE, raising=False)
    return asked


def names(models: Models) -> list[str]:
    return [one.name for one in models.offers]


def test_those_that_ship_the_standard_first(shelf, far):  # noqa: F811
    for name in ("zebra", "v2em-compact", "apple"):
        make(shelf, name)
    models = find_models(fake)
    assert names(models) == ["v2em-compact", "apple", "zebra"]
    assert models.default == "v2em-compact"
    assert far == []


def test_the_hosts_come_last_and_the_first_of_them_is_the_default(shelf, far, monkeypatch, caplog):  # noqa: F811
    make(shelf, "v2em-compact")
    monkeypatch.setenv(VARIABLE, " someone/tiny@v1, ,someone/tiny@v2 ")
    models = find_models(fake)
    assert names(models) == ["v2em-compact", "someone/tiny@v1", "someone/tiny@v2"]
    assert models.default == "someone/tiny@v1"
    assert far == ["someone/tiny@v1", "someone/tiny@v2"]
    models.reader("someone/tiny@v2")
    assert len(far) == 2, "what was fetched at the start is what is loaded"
    assert caplog.records == []


def test_those_that_ship_stand_in_and_the_log_says_so(shelf, far, monkeypatch, caplog):  # noqa: F811
    make(shelf, "v2em-compact")
    monkeypatch.setenv(VARIABLE, "someone/else@v1")
    models = find_models(fake)
    assert names(models) == ["v2em-compact"]
    assert models.default == "v2em-compact"
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
        "The checkpoint 'someone/else@v1' could not be fetched from the Hub: it does not answer. "
        "The page goes without it.",
        f"Nothing that {VARIABLE} names can be used: 'v2em-compact', which ships, stands in.",
    ]


def test_weights_that_cannot_be_loaded_are_not_offered(shelf, far, monkeypatch, caplog):  # noqa: F811
    make(shelf, "v2em-compact")
    make(shelf, "damaged")
    (shelf / "damaged" / WEIGHTS).write_bytes(b"damaged")
    monkeypatch.setenv(VARIABLE, "someone/tiny,v2em-compact")

    def load(checkpoint):
        if checkpoint.name == "someone/tiny":
            raise CheckpointError("The weights of 'someone/tiny' do not fit tiny.")
        return fake(checkpoint)

    models = find_models(load)
    assert names(models) == ["v2em-compact"]
    assert models.default == "v2em-compact"
    assert "The weights of 'damaged' are not those its config names (SHA-256 differs)." in caplog.text
    assert "The weights of 'someone/tiny' do not fit tiny. The page goes without 'someone/tiny'." in caplog.text
    assert "stands in" not in caplog.text, "the host names the one that is used as well"


def test_no_model_at_all(shelf, far):  # noqa: F811
    with pytest.raises(CheckpointError, match="There are no trained weights for 'v2em-compact' here"):
        find_models(fake)
    make(shelf, "v2em-compact")
    (shelf / "v2em-compact" / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="None of the models here can be used"):
        find_models(fake)
