"""The standing text of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from fv2es.emotions import COLOURS, MOSEI
from fv2es.ui.chinese import CHINESE
from fv2es.ui.chinese_told import CHINESE_TOLD
from fv2es.ui.models import Offer, title
from fv2es.ui.session import Run
from fv2es.views.markup import escape, sentence_list
from fv2es.views.words import Say, english

_BARS = (14, 9, 11, 30, 18, 22)  # heights in the mark: a small chart, its threshold dotted across it


def _mark() -> str:
    bars = "".join(
        f'<rect x="{4 + 7 * place}" y="{38 - height}" width="5" height="{height}" rx="1.5" fill="{COLOURS[name]}"/>'
        for place, (name, height) in enumerate(zip(MOSEI, _BARS, strict=True))
    )
    line = (
        '<path d="M2 22h44" stroke="currentColor" stroke-width="1.6" stroke-dasharray=".1 3.6" stroke-linecap="round"/>'
    )
    return f'<svg class="fv-mark" viewBox="0 0 48 42" aria-hidden="true">{bars}{line}</svg>'


LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": {}, "zh": CHINESE}  # the first where none fits
TOLD: Mapping[str, Mapping[str, str]] = {"en": {}, "zh": CHINESE_TOLD}

PROMISE = (
    "This estimates the emotion that observers would see and hear in a clip. It does not know what anybody feels, and "
    "it is often wrong. Use it on yourself or with the consent of the person who is seen, and not to judge people at "
    "work or at school."
)
PAPERS = (
    'After Wei, Huang and Zhang, <a href="https://arxiv.org/abs/2209.10170">FV2ES</a> (2022), and Dai, Cahyawijaya, '
    'Liu and Fung, <a href="https://arxiv.org/abs/2103.09666">FE2E</a> (2021).'
)
ONE = "The model that runs here is {}; its card says what it was trained on and how well it does."
SEVERAL = "The models that run here are {}; their cards say what they were trained on and how well they do."


def language_of(accepted: str) -> str:
    """The best of LANGUAGES for an Accept-Language header: "zh-CN,zh;q=0.9,en;q=0.8" → "zh"."""
    wanted = []
    for part in accepted.split(","):
        tag, _, quality = part.partition(";q=")
        try:
            wanted.append((-float(quality or 1), tag.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(wanted, key=lambda one: one[0]) if tag in LANGUAGES), next(iter(LANGUAGES)))


@lru_cache
def speaker(language: str) -> Say:
    """Turns the English sentences of the code into those of `language`; what it has no words for stays English."""
    table, forms = LANGUAGES[language], _forms(TOLD[language])

    def say(sentence: str) -> str:
        if (known := table.get(sentence)) is not None:
            return known
        fitting = ((form.fullmatch(sentence), told) for form, told in forms)
        match, told = next(((match, told) for match, told in fitting if match), (None, sentence))
        return told.format(**{name: say(value) for name, value in match.groupdict().items()}) if match else sentence

    return say


def _forms(told: Mapping[str, str]) -> list[tuple[re.Pattern[str], str]]:
    """Sentences with places for values → patterns that find the values."""
    pattern = re.compile(r"\\{(\w+)\\}")  # a place, once it is escaped
    return [(re.compile(pattern.sub(r"(?P<\1>.+)", re.escape(one))), other) for one, other in told.items()]


def head(keep: int, say: Say = english) -> str:
    """The top of the page. keep: seconds that uploads are kept."""
    return f"""
<header class="fv-head">
 {_mark()}
 <div>
  <h1>FV2ES</h1>
  <p>{say("What face, voice and words express in a video, utterance by utterance.")}</p>
 </div>
</header>
<aside class="fv-consent" aria-label="{say("Before you use this")}">
 <p><b>{say("Expressed, not felt.")}</b> {say(PROMISE)}
 {say("Uploads and results are deleted {time} after they were made.").format(time=duration(keep, say))}</p>
</aside>
"""


def duration(seconds: float, say: Say = english) -> str:
    """ "an hour", "90 minutes"."""
    hours, minutes = seconds / 3600, round(seconds / 60)
    if hours == int(hours):
        return say("an hour") if hours == 1 else say("{n} hours").format(n=int(hours))
    return say("a minute") if minutes == 1 else say("{n} minutes").format(n=minutes)


def about(offers: Sequence[Offer], say: Say = english) -> str:
    """The foot of the page, which names the models."""
    names = [f"<b>{escape(one.title)}</b>" for one in offers]
    models = say(ONE if len(names) == 1 else SEVERAL).format(sentence_list(names, say)) if names else ""
    endpoint = say("Programs call the endpoint {name}.").format(name="<code>analyze</code>")
    return f'<footer class="fv-about"><p>{say(PAPERS)} {models} {endpoint}</p></footer>'


def about_model(offer: Offer, say: Say = english) -> str:
    """What a model is, below its name among the options."""
    return f'<p class="fv-about-model">{escape(say(offer.about))}</p>' if offer.about else ""


def made_by(run: Run, say: Say = english) -> str:
    """Which weights a result comes from, so that it is clear after another model has been chosen."""
    identity = run.identity
    name = f"<b>{escape(title(run.reader.checkpoint) if run.reader else run.model)}</b>"
    version = say("version {number}, ").format(number=escape(identity["version"])) if "version" in identity else ""
    read = say("Read by {name}, {version}weights {hash}…")
    digest = escape(str(identity.get("sha256", ""))[:12])
    return f'<p class="fv-made-by">{read.format(name=name, version=version, hash=digest)}</p>'
