"""Recognisers: which one is used, and that silence never becomes words. Whisper is a stand-in here."""

import inspect
import io
import shutil
import subprocess
import sys
import threading
import wave
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tone
from processes import PATIENCE, until

from fv2es.modalities import speech
from fv2es.modalities.speech import ENGINES, Engine, SpeechError, make_transcriber, whisper
from fv2es.modalities.speech.gates import Gated, audible, looks_invented
from fv2es.modalities.speech.languages import translated_from
from fv2es.modalities.speech.pocketsphinx import PocketSphinx, words
from fv2es.pipeline import analyse
from fv2es.schema import SAMPLE_RATE, Span, Transcript
from fv2es.stopping import Cancelled, stoppable

SPAN = Span(0, 2)
TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
NOISE = np.random.default_rng(0).normal(0, 1, len(TIME))
TONE = np.sin(2 * np.pi * 220 * TIME)
SYLLABLES = (0.3 * TONE * (1 + np.sin(2 * np.pi * 4 * TIME)) / 2).astype(np.float32)  # passes the gates

NOTHING_SAID = {
    "digital silence": 0 * TIME,
    "faint noise": 1e-4 * NOISE,
    "loud noise": 0.1 * NOISE,
    "a tone": 0.3 * TONE,
    "a chord": 0.1 * sum(np.sin(2 * np.pi * f * TIME) for f in (220, 277, 330)),
    "hum": 0.1 * np.sin(2 * np.pi * 50 * TIME) + 1e-3 * NOISE,
    "an offset": 0.5 + 0 * TIME,
    "faint syllables": 0.01 * SYLLABLES,
    "a click": np.where(np.arange(len(TIME)) == 9000, 1, 0),
    "no numbers": np.nan * TIME,
    "0.45 s": SYLLABLES[:7200],
    "nothing": TIME[:0],
}


class Parrot:
    """A recogniser that always hears the same."""

    source = "parrot"

    def __init__(self, text="hello you"):
        self.text, self.heard = text, 0

    def hear(self, waveform):
        self.heard += 1
        return self.text


@pytest.mark.parametrize("waveform", NOTHING_SAID.values(), ids=NOTHING_SAID)
def test_what_is_no_speech_is_not_even_heard(waveform):
    parrot = Parrot()
    assert not audible(waveform.astype(np.float32))
    assert Gated(parrot).transcribe(waveform.astype(np.float32), SPAN) == Transcript("", "parrot")
    assert parrot.heard == 0


@pytest.mark.parametrize("gain", [1, 0.1, 0.03])
def test_what_may_be_speech_is_heard(gain):
    for waveform in (SYLLABLES, SYLLABLES[: SAMPLE_RATE // 2]):
        assert Gated(Parrot(" hello \n you ")).transcribe(gain * waveform, SPAN) == Transcript("hello you", "parrot")


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("", False),
        ("No, no, no!", False),
        ("no no no no", True),
        ("I said no. No! And no, no, I will not.", False),
        ("Thank you. Thank you, thank you. Thank you.", True),
        ("well thanks for watching thanks for watching thanks for watching", False),
        ("well thanks for watching Thanks for watching. Thanks for watching! thanks for watching", True),
        ("one two three four " * 4, True),
        ("one two three four five " * 4, False),
    ],
)
def test_repetition(text, invented):
    assert looks_invented(text) is invented


def test_nobody_speaks_that_fast():
    words = " ".join(map(str, range(17)))
    assert not looks_invented(words)
    assert looks_invented(words, seconds=2)
    assert not looks_invented(words, seconds=2.2)


@pytest.mark.parametrize("text", ["you " * 5, " ".join(map(str, range(20))), " ... ♪ ", ""])
def test_invented_words_are_dropped(text):
    assert Gated(Parrot(text)).transcribe(SYLLABLES, SPAN) == Transcript("", "parrot")


# Which one is used


def unavailable(patience, language):
    raise SpeechError("It could not be had.")


@pytest.fixture
def engines(monkeypatch):
    """Stand-ins in place of the engines, in the same order; remembers how long each was waited for."""
    waited = {}

    def make(name):
        def wait(patience, language):
            waited[name] = patience
            parrot = Parrot(name)
            parrot.source = name
            return parrot

        return wait

    monkeypatch.setattr(
        speech, "ENGINES", {name: Engine(make(name), engine.instead) for name, engine in ENGINES.items()}
    )
    return SimpleNamespace(table=speech.ENGINES, waited=waited)


def test_auto_takes_the_first_that_can_be_had(engines):
    assert [make_transcriber()[0].source, make_transcriber("auto", text=" \n")[1]] == ["whisper", []]
    assert list(engines.waited) == ["whisper"]
    engines.table["whisper"] = Engine(unavailable, "")
    transcriber, notes = make_transcriber()
    assert transcriber.source == "pocketsphinx"
    assert notes == ["It could not be had, so PocketSphinx transcribes, roughly."]
    engines.table["pocketsphinx"] = Engine(unavailable, "")
    transcriber, notes = make_transcriber()
    assert transcriber.source == "none"
    assert notes == ["It could not be had and It could not be had, so there are no words."]


def test_warming_up_waits_for_nothing_and_never_fails(engines):
    speech.warm_up()
    assert engines.waited == {"whisper": 0.0}
    engines.table["whisper"] = Engine(unavailable, "")
    speech.warm_up()


def test_what_is_asked_for_by_name_is_had_or_refused(engines):
    for name in ENGINES:
        transcriber, notes = make_transcriber(name)
        assert transcriber.transcribe(SYLLABLES, SPAN) == Transcript(name, name)
        assert notes == []
    engines.table["whisper"] = Engine(unavailable, "")
    with pytest.raises(SpeechError, match="could not be had"):
        make_transcriber("whisper")


def test_words_of_a_person_come_first(engines, tmp_path):
    file = tmp_path / "a.srt"
    file.write_text("00:00:00,000 --> 00:00:02,000\nfrom the file")
    assert make_transcriber(file, text="typed")[0].transcribe(SYLLABLES, SPAN) == Transcript("typed", "typed")
    assert make_transcriber(file)[0].transcribe(SYLLABLES, SPAN) == Transcript("from the file", "subtitles")
    assert engines.waited == {}


def test_no_words_at_all():
    assert make_transcriber("none")[0].transcribe(SYLLABLES, SPAN) == Transcript("", "none")


@pytest.mark.parametrize("name", ["", "siri", "/etc/secret"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(SpeechError, match="auto, whisper, pocketsphinx, none") as caught:
        make_transcriber(name)
    assert "secret" not in str(caught.value)


# Whisper


def segment(text, no_speech=0.1, compression=1.2):
    return SimpleNamespace(text=text, no_speech_prob=no_speech, compression_ratio=compression, avg_logprob=-0.3)


class FakeWhisperModel:
    """Stands in for faster-whisper's; `segments` is what it will say."""

    segments = ()
    spoken = "es"
    made: list = []  # noqa: RUF012
    asked: list = []  # noqa: RUF012

    def __init__(self, folder, **options):
        self.made.append((folder, options))

    def transcribe(self, waveform, **options):
        assert waveform.dtype == np.float32
        self.asked.append(options)
        return iter(self.segments), SimpleNamespace(language=self.spoken)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache; `hub.reach` and `hub.fetch` are what asking and fetching do; `hub.calls` counts them."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = tmp_path / "weights"
    folder.mkdir()
    for name in whisper.NEEDED:
        (folder / name).touch()
    state = SimpleNamespace(
        folder=folder, cached=None, calls=[], wanted=[], reach=lambda: None, fetch=lambda: str(folder)
    )

    def snapshot_download(repo_id, *, revision, allow_patterns, local_files_only=False, etag_timeout=None):
        state.wanted.append((repo_id, revision))
        if local_files_only:
            if state.cached is None:
                raise LocalEntryNotFoundError("not here")
            return str(state.cached)
        assert etag_timeout == whisper.CONNECT_SECONDS
        return state.fetch()

    def model_info(repo_id, *, revision, timeout):
        state.wanted.append((repo_id, revision))
        state.calls.append(timeout)
        state.reach()

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.model_info", model_info)
    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=FakeWhisperModel))
    monkeypatch.setattr(whisper, "_MODELS", whisper.Models())
    monkeypatch.setattr(FakeWhisperModel, "made", [])
    monkeypatch.delenv(whisper.VARIABLE, raising=False)
    return state


def offline():
    raise ConnectionError("no route to somewhere")


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([segment(" Hello there. "), segment(" How are you?")], "Hello there. How are you?"),
        ([segment(" Thank you.", no_speech=0.9)], ""),
        ([segment(" Well."), segment(" Thank you.", no_speech=0.7)], "Well."),
        ([segment(" la la", compression=3.0)], ""),
        ([segment(" You. You. You. You.")], ""),
        ([segment(" " + " ".join(map(str, range(30))))], ""),
        ([], ""),
    ],
)
def test_whisper_is_not_believed_blindly(hub, monkeypatch, segments, text):
    monkeypatch.setattr(FakeWhisperModel, "segments", segments)
    transcriber, notes = make_transcriber("whisper")
    assert transcriber.transcribe(SYLLABLES, SPAN) == Transcript(text, "whisper")
    assert notes == []


def test_nobody_waits_for_whisper_who_is_no_longer_waited_for(hub):
    recogniser = whisper.Whisper()
    with recogniser._lock, stoppable(lambda: True), pytest.raises(Cancelled):
        recogniser.hear(SYLLABLES)


def test_whisper_is_loaded_once_and_shared(hub):
    for _ in range(3):
        make_transcriber("auto")
    ((folder, options),) = FakeWhisperModel.made
    assert folder == str(hub.folder)
    assert options["compute_type"] == "int8"
    assert options["cpu_threads"] == 2
    assert hub.calls == [whisper.CONNECT_SECONDS]


def test_the_real_whisper_takes_these_options(hub, monkeypatch):
    monkeypatch.setattr(FakeWhisperModel, "asked", [])
    make_transcriber("whisper")[0].transcribe(SYLLABLES, SPAN)
    monkeypatch.delitem(sys.modules, "faster_whisper")
    from faster_whisper import WhisperModel

    ((folder, options),), (asked,) = FakeWhisperModel.made, FakeWhisperModel.asked
    inspect.signature(WhisperModel.__init__).bind(None, folder, **options)
    inspect.signature(WhisperModel.transcribe).bind(None, SYLLABLES, **asked)


def test_english_asks_the_english_weights_for_a_transcript(hub, monkeypatch):
    monkeypatch.setattr(FakeWhisperModel, "asked", [])
    monkeypatch.setattr(FakeWhisperModel, "segments", [segment("Hello there.")])
    assert make_transcriber("auto")[0].transcribe(SYLLABLES, SPAN) == Transcript("Hello there.", "whisper")
    (asked,) = FakeWhisperModel.asked
    assert (asked["language"], asked["task"]) == ("en", "transcribe")
    assert {name for name, _ in hub.wanted} == {"Systran/faster-whisper-base.en"}


@pytest.mark.parametrize(
    ("language", "asked", "spoken", "source"),
    [
        ("es", "es", "es", "whisper-es"),
        ("auto", None, "de", "whisper-de"),
        ("auto", None, "en", "whisper"),
        ("auto", None, "haw", "whisper-haw"),
    ],
)
def test_other_languages_are_translated_by_the_multilingual_weights(hub, monkeypatch, language, asked, spoken, source):
    monkeypatch.setattr(FakeWhisperModel, "asked", [])
    monkeypatch.setattr(FakeWhisperModel, "segments", [segment("Good day.")])
    monkeypatch.setattr(FakeWhisperModel, "spoken", spoken)
    transcriber, notes = make_transcriber("auto", language=language)
    assert transcriber.transcribe(SYLLABLES, SPAN) == Transcript("Good day.", source)
    (options,) = FakeWhisperModel.asked
    assert (options["language"], options["task"]) == (asked, "translate")
    assert set(hub.wanted) == {("Systran/faster-whisper-base", whisper.MULTILINGUAL.partition("@")[2])}
    assert notes == []


def test_without_the_multilingual_weights_another_language_has_no_words(hub):
    hub.fetch = offline
    transcriber, notes = make_transcriber("auto", language="es")
    assert transcriber.transcribe(SYLLABLES, SPAN) == Transcript("", "none")
    assert notes == [
        "Whisper's weights could not be fetched and PocketSphinx knows English only, so there are no words."
    ]
    with pytest.raises(SpeechError, match="PocketSphinx knows English only"):
        make_transcriber("pocketsphinx", language="auto")


def test_words_of_a_person_ask_for_no_language():
    assert make_transcriber("auto", text="hola", language="nonsense")[1] == []
    assert make_transcriber("none", language="es")[0].transcribe(SYLLABLES, SPAN) == Transcript("", "none")
    with pytest.raises(SpeechError, match="can be one of en, auto, ar"):
        make_transcriber("auto", language="nonsense")


def test_where_words_were_translated_from():
    assert [translated_from(one) for one in ("whisper-es", "whisper-haw", "whisper", "typed", "none")] == [
        "Spanish", "haw", None, None, None,
    ]  # fmt: skip


def test_whisper_from_the_cache_asks_no_network(hub):
    hub.cached = hub.folder
    make_transcriber("whisper")
    assert hub.calls == []


def test_half_a_cache_is_fetched_again(hub, tmp_path):
    hub.cached = tmp_path / "half"
    hub.cached.mkdir()
    make_transcriber("whisper")
    assert len(hub.calls) == 1


@pytest.mark.parametrize(
    ("variable", "wanted"),
    [
        ("", ("Systran/faster-whisper-base.en", whisper.WEIGHTS.partition("@")[2])),
        ("small.en", ("Systran/faster-whisper-small.en", None)),
        ("me/mine", ("me/mine", None)),
        ("me/mine@v1", ("me/mine", "v1")),
    ],
)
def test_other_weights(hub, monkeypatch, variable, wanted):
    monkeypatch.setenv(whisper.VARIABLE, variable)
    make_transcriber("whisper")
    assert set(hub.wanted) == {wanted}


def test_weights_in_a_folder(hub, monkeypatch):
    monkeypatch.setenv(whisper.VARIABLE, str(hub.folder))
    make_transcriber("whisper")
    assert hub.wanted == []
    (hub.folder / "tokenizer.json").unlink()
    monkeypatch.setattr(whisper, "_MODELS", whisper.Models())
    with pytest.raises(SpeechError, match="could not be loaded"):
        make_transcriber("whisper")


@pytest.mark.parametrize("step", ["reach", "fetch"])
def test_without_a_network_pocketsphinx_steps_in(hub, monkeypatch, step):
    setattr(hub, step, offline)
    for _ in range(3):
        transcriber, notes = make_transcriber("auto")
        assert transcriber.source == "pocketsphinx"
        assert notes == ["Whisper's weights could not be fetched, so PocketSphinx transcribes, roughly."]
    assert len(hub.calls) == 1, "not tried again for every visitor"
    with pytest.raises(SpeechError, match=r"^Whisper's weights could not be fetched\.$"):
        make_transcriber("whisper")
    monkeypatch.setattr(whisper, "RETRY_SECONDS", -1)
    setattr(hub, step, lambda: str(hub.folder))
    assert make_transcriber("auto")[0].source == "whisper"


def test_nobody_waits_for_a_slow_download(hub, monkeypatch):
    go_on = threading.Event()
    hub.fetch = lambda: str(hub.folder) if go_on.wait(PATIENCE) else None
    monkeypatch.setattr(speech, "AUTO_PATIENCE", 0.05)
    transcriber, notes = make_transcriber("auto")
    assert transcriber.source == "pocketsphinx"
    assert notes == ["Whisper's weights are still being fetched, so PocketSphinx transcribes, roughly."]
    go_on.set()
    until(lambda: make_transcriber("auto")[0].source == "whisper")
    assert len(hub.calls) == 1


def test_whoever_stops_does_not_wait_for_a_slow_download(hub, clip):
    go_on, begun = threading.Event(), threading.Event()

    def fetch():
        begun.set()
        return str(hub.folder) if go_on.wait(PATIENCE) else None

    hub.fetch = fetch
    cancel = threading.Event()
    threading.Thread(target=lambda: begun.wait(PATIENCE) and cancel.set()).start()
    nobody = {"reader": SimpleNamespace(), "finder": SimpleNamespace()}
    with analyse(clip("a.wav", tone(1)), **nobody, speech="whisper", cancel=cancel) as analysis:
        assert list(analysis) == []
    assert begun.is_set()
    assert not go_on.is_set(), "the weights have not come"
    go_on.set()
    until(lambda: make_transcriber("whisper")[0].source == "whisper")


# PocketSphinx


@pytest.fixture(scope="module")
def said():
    """Two sentences by a synthetic voice, (n,) at 16 kHz."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng to say something")

    def say(text):
        command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", text]
        with wave.open(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)) as sound:
            rate, data = sound.getframerate(), sound.readframes(10**7)
        samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768
        times = np.arange(0, len(samples) / rate, 1 / SAMPLE_RATE)
        return np.interp(times, np.arange(len(samples)) / rate, samples).astype(np.float32)

    return say("Why did you do that? I told you never to touch my things."), say("Please leave me alone now.")


def test_pocketsphinx_hears_words(said):
    heard = make_transcriber("pocketsphinx")[0].transcribe(said[0], SPAN)
    assert heard.source == "pocketsphinx"
    assert len({"why", "did", "you", "do", "that"} & set(heard.text.split())) >= 3
    assert 0 < heard.confidence < 1


def test_confidence_is_the_mean_posterior_of_all_words_of_all_pieces(monkeypatch):
    pieces = iter([[("a", 1.0), ("dog", 0.25)], [], [("barks", 0.49)]])
    recogniser = PocketSphinx()
    monkeypatch.setattr(recogniser._listeners, "hear", lambda pcm: next(pieces, []))
    heard = recogniser.hear(np.zeros(15 * SAMPLE_RATE, np.float32))
    assert heard == Transcript("a dog barks", "pocketsphinx", 0.6)


def test_gates_keep_the_confidence_of_what_passes():
    assert Gated(Parrot(Transcript(" so  it is ", "sphinx", 0.3))).transcribe(SYLLABLES, SPAN) == Transcript(
        "so it is", "sphinx", 0.3
    )
    assert Gated(Parrot(Transcript("...", "sphinx", 0.3))).transcribe(SYLLABLES, SPAN) == Transcript("", "sphinx")


def test_pocketsphinx_keeps_nothing_from_one_utterance_to_the_next(said):
    recogniser = PocketSphinx()
    before = recogniser.hear(said[1])
    recogniser.hear((0.1 * NOISE).astype(np.float32))
    assert PocketSphinx().hear(said[1]) == before


@pytest.mark.parametrize("name", ["digital silence", "loud noise", "a tone", "hum"])
def test_pocketsphinx_hears_nothing_in_nothing(name):
    waveform = NOTHING_SAID[name].astype(np.float32)
    assert make_transcriber("pocketsphinx")[0].transcribe(waveform, SPAN) == Transcript("", "pocketsphinx")


def test_pocketsphinx_survives_anything():
    recogniser = PocketSphinx()
    for waveform in (TIME[:0], TIME[:1], 9 * NOISE[:300], SYLLABLES):
        assert 0 <= recogniser.hear(waveform.astype(np.float32)).confidence <= 1


def test_long_sound_is_heard_in_pieces_cut_where_it_is_quiet():
    from fv2es.modalities.speech.pocketsphinx import LONGEST, _pieces

    sound = np.sin(np.arange(15 * SAMPLE_RATE)).astype(np.float32)
    sound[4 * SAMPLE_RATE : 5 * SAMPLE_RATE] = 0
    parts = list(_pieces(sound))
    np.testing.assert_array_equal(np.concatenate(parts), sound)
    assert max(map(len, parts)) <= LONGEST
    assert 4 * SAMPLE_RATE <= len(parts[0]) <= 5 * SAMPLE_RATE
    assert [len(part) for part in _pieces(sound[:LONGEST])] == [LONGEST]


def test_fillers_and_variants_are_no_words():
    tokens = ["<s>", "the(2)", "<sil>", "[NOISE]", "++breath++", "o'clock", "a(10)", "</s>"]
    assert words((token, 1.0003) for token in tokens) == [("the", 1.0), ("o'clock", 1.0), ("a", 1.0)]
    assert words([]) == []


def test_where_pocketsphinx_is_missing_there_are_no_words(hub, monkeypatch):
    hub.fetch = offline
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    transcriber, notes = make_transcriber("auto")
    assert transcriber.source == "none"
    assert notes == [
        "Whisper's weights could not be fetched and PocketSphinx could not be loaded, so there are no words."
    ]
