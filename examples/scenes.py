"""Who appears in the clips, what is said and with which emotion."""

from __future__ import annotations

from dataclasses import dataclass

from head import Character


@dataclass(frozen=True)
class Line:
    """One utterance. emotion: a key of `voice.TONES` and `expression.FACES`."""

    emotion: str
    text: str


@dataclass(frozen=True)
class Scene:
    """One clip. voice: as espeak-ng names it."""

    name: str
    character: Character
    voice: str
    lines: tuple[Line, ...]
    seed: int


SCENES = (
    Scene(
        name="good_news",
        character=Character(
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
        lines=(
            Line("neutral", "I was reading my letters, as I do every morning."),
            Line("surprise", "Wait, what is this? They really picked me?"),
            Line("happy", "Oh, this is wonderful! I am so happy, thank you all so much!"),
        ),
        seed=1,
    ),
    Scene(
        name="bad_day",
        character=Character(
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
        character=Character(
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
        lines=(
            Line("fear", "Did you hear that? There is something in the cellar. I am scared!"),
            Line("disgust", "Ugh, that smell is disgusting, it is all rotten!"),
            Line("happy", "Oh, it was only the cat! I am so glad that you are safe!"),
        ),
        seed=3,
    ),
)
