"""Who appears in the clips, what is said and with which emotion."""

from __future__ import annotations

from dataclasses import dataclass

from head import Character


@dataclass(frozen=True)
class Line:
    """One utterance.

    emotion: a key of `voice.TONES` and `expression.FACES`; speaker: who of the cast says it; beside: out of the
    picture; pause: seconds without speech after it, if it is not the last.
    """

    emotion: str
    text: str
    speaker: int = 0
    beside: bool = False
    pause: float = 0.95


@dataclass(frozen=True)
class Player:
    """Somebody who appears. voice: as espeak-ng names it."""

    character: Character
    voice: str


@dataclass(frozen=True)
class Scene:
    """One clip.

    cast: from left to right, each in a picture of their own, as in a video call; width: of each of these, pixels; lead:
    seconds without speech at the beginning.
    """

    name: str
    cast: tuple[Player, ...]
    lines: tuple[Line, ...]
    seed: int
    width: int = 480
    lead: float = 0.8


SCENES = (
    Scene(
        name="good_news",
        cast=(
            Player(
                Character(
                    skin="#e3b191",
                    lips="#b4585a",
                    iris="#4a6a58",
                    hair="#5a3018",
                    brows="#4a2c1a",
                    top="#2f6f73",
                    backdrop=("#7f9aa3", "#4b5d66"),
                    style="long",
                    jaw=1.75,
                    width=0.755,
                    brow=0.032,
                    lip=1.1,
                    lashes=1.0,
                    seed=5,
                ),
                voice="en-us+f3",
            ),
        ),
        lines=(
            Line("neutral", "I was reading my letters, as I do every morning."),
            Line("surprise", "Wait, what is this? They really picked me?"),
            Line("happy", "Oh, this is wonderful! I am so happy, thank you all so much!"),
        ),
        seed=1,
    ),
    Scene(
        name="bad_day",
        cast=(
            Player(
                Character(
                    skin="#a9754f",
                    lips="#8a4f45",
                    iris="#3b2414",
                    hair="#15100d",
                    brows="#15100d",
                    top="#4a5560",
                    backdrop=("#a59a86", "#5c5348"),
                    style="short",
                    jaw=2.15,
                    width=0.79,
                    brow=0.046,
                    stubble=0.45,
                    seed=6,
                ),
                voice="en-us+m3",
            ),
        ),
        lines=(
            Line("sad", "My old dog died last night, and the house is so empty."),
            Line("sad", "I miss him so much."),
            Line("anger", "And then my boss shouted at me for being late!"),
            Line("anger", "It is outrageous! I am sick of it, and I hate that office!"),
        ),
        seed=2,
    ),
    Scene(
        name="what_is_that",
        cast=(
            Player(
                Character(
                    skin="#dcae94",
                    lips="#a8605c",
                    iris="#4c6f8f",
                    hair="#b9b4ac",
                    brows="#8d857b",
                    top="#6c3a5c",
                    backdrop=("#6f7f62", "#3f4a3a"),
                    style="bob",
                    jaw=2.1,
                    width=0.77,
                    brow=0.030,
                    lip=0.85,
                    lashes=0.6,
                    age=1.0,
                    seed=8,
                ),
                voice="en-gb+f4",
            ),
        ),
        lines=(
            Line("surprise", "Oh, what is that? There is something in the cellar. I am scared!"),
            Line("disgust", "Ugh, that smell is disgusting, it is all rotten!"),
            Line("happy", "Oh, it was only the cat! I am so glad that you are safe!"),
        ),
        seed=3,
    ),
    Scene(
        name="two_friends",
        cast=(
            Player(
                Character(
                    skin="#8f5f43",
                    lips="#7d3f3d",
                    iris="#2f1d12",
                    hair="#17110f",
                    brows="#17110f",
                    top="#c08a2e",
                    backdrop=("#8d7f9b", "#4d4560"),
                    style="bob",
                    jaw=1.8,
                    width=0.76,
                    brow=0.034,
                    lip=1.2,
                    lashes=1.0,
                    seed=11,
                ),
                voice="en-us+f2",
            ),
            Player(
                Character(
                    skin="#e6b79a",
                    lips="#b06a62",
                    iris="#4b7a6a",
                    hair="#8a4a22",
                    brows="#7a4526",
                    top="#33506f",
                    backdrop=("#8fa08a", "#4c5a4e"),
                    style="short",
                    jaw=2.0,
                    width=0.78,
                    brow=0.040,
                    stubble=0.25,
                    seed=12,
                ),
                voice="en-gb+m1",
            ),
        ),
        lines=(
            Line("happy", "Guess what, I won the first prize! I am so happy!"),
            Line("surprise", "Wait, what? You won? Oh, that is wonderful!", speaker=1),
            Line("fear", "But I must fly to Norway for a year, all on my own, and I am scared."),
            Line("sad", "A whole year without you makes me very sad.", speaker=1),
        ),
        seed=4,
        width=320,
    ),
    Scene(
        name="lost_keys",
        cast=(
            Player(
                Character(
                    skin="#d9a888",
                    lips="#a0655a",
                    iris="#5b6f80",
                    hair="#a9a6a2",
                    brows="#77716a",
                    top="#5d6b4c",
                    backdrop=("#a08f78", "#57493c"),
                    style="short",
                    jaw=2.3,
                    width=0.80,
                    brow=0.044,
                    stubble=0.15,
                    age=0.9,
                    seed=14,
                ),
                voice="en-gb+m3",
            ),
        ),
        lines=(
            Line("neutral", "Let me see. Where did I put the keys?", pause=2.5),
            Line("anger", "Not in the kitchen either! I hate this, I will be late again!", beside=True, pause=5.5),
            Line("happy", "Ha, they were in my pocket all the time! I am so glad!"),
        ),
        seed=6,
        lead=4.0,
    ),
)
