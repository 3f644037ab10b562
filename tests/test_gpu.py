"""Models on a GPU that is lent for a call: what comes back is what the processors give, and they stand in.

There is no GPU here. `spaces` lays an emulation over torch, in which tensors of different devices do not mix; it holds
in the thread that has imported the package, so a process of its own runs the model itself.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, shake, tiny_v2em

from fv2es import hub
from fv2es.emotions import MOSEI
from fv2es.models import registry
from fv2es.ui import gpu

ROOT = Path(__file__).resolve().parents[1]
GUARD = 900  # seconds; only against a process that never ends

EMULATED = """
import json, sys
import numpy as np
from fv2es.reader import Reader
from fv2es.ui import gpu
from oracles import mixed_utterances
import spaces

calls = []
models = gpu.borrowing(lambda read: calls.append(read) or spaces.GPU(read))
answer = {"lent": hasattr(models.reader()._ask, "zerogpu")}
for offer in models.offers:
    plain = Reader.predict(models.reader(offer.name), mixed_utterances(), True)
    placed = calls[0](offer.name, mixed_utterances(), True)
    answer[offer.name] = [
        max(float(np.abs(a.logits - b.logits).max()) for a, b in zip(plain, placed)),
        all(set(a.attention or ()) == set(b.attention or ()) for a, b in zip(plain, placed)),
    ]
model = calls[0].__closure__[0].cell_contents[models.default].model
model._forward_pre_hooks.clear()
try:
    calls[0](models.default, mixed_utterances(), False)
except RuntimeError as error:
    answer["mixed"] = str(error)
print(json.dumps(answer))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two checkpoints, of which only the first can be loaded; the "GPU" is this machine's processor."""
    torch.manual_seed(0)
    monkeypatch.setitem(registry._BUILDERS, "tiny", tiny_v2em)
    monkeypatch.setattr("fv2es.reader._tokenizer", lambda *_: LetterTokenizer())
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path))
    monkeypatch.delenv("FV2ES_CHECKPOINT", raising=False)
    for name, architecture in (("a", "tiny"), ("b", "lf-lstm")):
        settings = {"architecture": architecture, "thresholds": dict.fromkeys(MOSEI, 0.5)}
        hub.save(shake(tiny_v2em()), tmp_path / name, settings)


def through_a_pipe(asked: list):
    """As a process of its own would be called: everything is pickled on its way."""

    def lend(read):
        def call(*given):
            asked.append(given[0])
            return pickle.loads(pickle.dumps(read(*pickle.loads(pickle.dumps(given)))))

        return call

    return lend


def test_a_lent_gpu_says_what_the_processors_say(here):
    asked = []
    models = gpu.borrowing(through_a_pipe(asked))
    assert [one.name for one in models.offers] == ["a", "b"], "one that cannot be loaded is said when it is chosen"
    reader = models.reader("a")
    plain = super(gpu.Borrower, reader).predict(mixed_utterances(), True)
    assert asked == []
    lent = reader.predict(mixed_utterances(), True)
    assert asked == ["a"]
    for one, other in zip(plain, lent, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
        assert one.modalities.keys() == other.modalities.keys()
        assert (one.attention or {}).keys() == (other.attention or {}).keys()


def test_the_processors_stand_in(here, caplog):
    def lend(_):
        def call(*_):
            raise RuntimeError("no more quota")

        return call

    reader = gpu.borrowing(lend).reader()
    plain = super(gpu.Borrower, reader).predict(mixed_utterances())
    for one, other in zip(plain, reader.predict(mixed_utterances()), strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
    assert "no more quota" in caplog.text


def test_elsewhere_nothing_of_this_happens(here, monkeypatch):
    monkeypatch.delenv(gpu.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "spaces", None)  # an import of it would fail
    assert type(gpu.find_models_here().reader()) is gpu.Reader


@pytest.mark.slow
def test_nothing_of_a_model_stays_beside_the_gpu():
    pytest.importorskip("spaces")
    settings = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", ""))),
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", EMULATED]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, encoding="utf-8", timeout=GUARD)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer.pop("lent"), "the function is one that asks for a GPU"
    assert "same device" in answer.pop("mixed"), "the emulation would have noticed"
    assert set(answer) == set(hub.list_checkpoints())
    assert all(worst < 1e-5 and same for worst, same in answer.values())
