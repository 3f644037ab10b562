"""Two readings of the same utterance side by side: before and after a change, or by two models."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fv2es.results import summarise
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Reading, Transcript
from fv2es.views.bars import counted, seconds
from fv2es.views.inputs import source_words
from fv2es.views.markup import escape, sentence_list
from fv2es.views.small import answer, asides_of, differences, largest_change, small_chart
from fv2es.views.words import Say, english

_VALUE = re.compile(r' data-value="[^"]*"')  # by which the page knows what depends on a threshold (`views.bars.stands`)

Pairs = Sequence[tuple[Reading, Reading]]

LEFT_OUT = {FACE: "The face was left out.", VOICE: "The voice was left out.", WORDS: "The words were left out."}
DIFFERENT = "Most different: {emotion}, {before:.2f} and {after:.2f} ({change})."
BOTH_SAME, BOTH_OTHER = "{one} and {other} give the same answer.", "{one} and {other} give different answers."
SAME, OTHER = "same answer", "other answer"
OTHER_EMOTIONS = (
    "These models name other emotions: {one} {first}; {other} {second}. So their answers are shown, but not counted as "
    "the same or not."
)


def what_if_card(before: Reading, after: Reading, say: Say = english) -> str:
    """The utterance as it was read and as it is read after the visitor's change (`again.rerun`)."""
    charts = _chart(say("As it was"), before, say) + _chart(say("With the change"), after, say, before)
    return (
        f'<div class="fv-card fv-versus"><h3>{_title(before, say)}</h3>{_what_changed(before, after, say)}'
        f'<div class="fv-two">{charts}</div>'
        f'<p class="fv-verdict">{escape(largest_change(before, after, say))}</p></div>'
    )


def comparison_card(one: Reading, other: Reading, names: tuple[str, str], say: Say = english) -> str:
    """One utterance as two models read it (`again.compare`). names: of both with their versions, as text."""
    charts = _chart(names[0], one, say) + _own(_chart(names[1], other, say, one), other)
    said = _other_emotions(one, other, names, say)
    if _comparable(one, other):
        said = largest_change(one, other, say, DIFFERENT)
    return (
        f'<div class="fv-card fv-versus"><h3>{_title(one, say)}</h3>'
        f'<div class="fv-two">{charts}</div><p class="fv-verdict">{escape(said)}</p></div>'
    )


def comparison_summary(pairs: Pairs, names: tuple[str, str], complete: bool = True, say: Say = english) -> str:
    """The clip as two models read it: how often they agree, both averages, and a row an utterance."""
    if not pairs:
        return ""
    said = _agreement(pairs, names, say) if _comparable(*pairs[0]) else _other_emotions(*pairs[0], names, say)
    charts = _average(names[0], [one for one, _ in pairs], say)
    charts += _own(_average(names[1], [other for _, other in pairs], say), pairs[0][1])
    title = say("Average" if complete else "Average so far")
    return (
        f'<div class="fv-card fv-versus"><h3>{title} <small>{counted(len(pairs), say)}</small></h3>'
        f'<div class="fv-two">{charts}</div><p class="fv-verdict">{escape(said)}</p>{_table(pairs, names, say)}</div>'
    )


def _chart(title: str, reading: Reading, say: Say, before: Reading | None = None) -> str:
    """before: another reading of the same utterance, from which differences are told."""
    asides = asides_of(differences(before, reading), reading.emotions) if before else None
    return small_chart(title, reading.emotions, reading.probabilities, reading.thresholds, asides, say)


def _average(name: str, readings: list[Reading], say: Say) -> str:
    summary = summarise(readings, readings[0].emotions, readings[0].thresholds)
    return small_chart(name, summary.emotions, summary.average, summary.thresholds, say=say)


def _own(markup: str, reading: Reading, element: str = "div") -> str:
    """Markup whose thresholds are the second model's: the page leaves it alone when a visitor moves his own."""
    unset = ";".join(f"--threshold-{escape(name)}:initial" for name in reading.emotions)
    return f'<{element} class="fv-own" style="{unset}">{_VALUE.sub("", markup)}</{element}>'


def _table(pairs: Pairs, names: tuple[str, str], say: Say) -> str:
    comparable = _comparable(*pairs[0])
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    verdict = f'<th scope="col">{say("Compared")}</th>' if comparable else ""
    rows = "".join(_row(one, other, comparable, say) for one, other in pairs)
    return (
        f'<div class="fv-scroll fv-long" tabindex="0" role="region" aria-label="{say("The answers of both models")}">'
        f'<table class="fv-table fv-answers"><thead><tr><th scope="col">{say("Utterance")}</th>{heads}{verdict}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(one: Reading, other: Reading, comparable: bool, say: Say) -> str:
    same = _agree(one, other)
    verdict = f"<td>{say(SAME)}</td>" if same else f"<td><b>{say(OTHER)}</b></td>"
    return (
        f'<tr><th scope="row">{one.index + 1} <small>{seconds(one.span)}</small></th><td>{answer(one, say)}</td>'
        f"{_own(answer(other, say), other, 'td')}{verdict if comparable else ''}</tr>"
    )


def _what_changed(before: Reading, after: Reading, say: Say) -> str:
    """What the visitor did, told from the two readings."""
    there, left = before.utterance.modalities, after.utterance.modalities
    gone = [say(LEFT_OUT[name]) for name in MODALITIES if name in there and name not in left]
    old, new = before.utterance.transcript, after.utterance.transcript
    words = ""
    if new and new.text != old.text:
        words = (
            f'<dl class="fv-changes"><dt>{say("Words before")}</dt><dd>{_quoted(old, say)}</dd>'
            f"<dt>{say('Words now')}</dt><dd>{_quoted(new, say)}</dd></dl>"
        )
    said = f"<p>{' '.join(gone)}</p>" if gone else ""
    return said + words or f"<p>{say('Nothing was changed.')}</p>"


def _quoted(transcript: Transcript, say: Say) -> str:
    if not transcript:
        return say("none")
    source = source_words(transcript, say)
    return f"<q>{escape(transcript.text)}</q> <small>{escape(source)}</small>"


def _comparable(one: Reading, other: Reading) -> bool:
    return set(one.emotions) == set(other.emotions)


def _agree(one: Reading, other: Reading) -> bool:
    return set(one.active) == set(other.active)


def _agreement(pairs: Pairs, names: tuple[str, str], say: Say) -> str:
    same = sum(_agree(*pair) for pair in pairs)
    if len(pairs) == 1:
        return say(BOTH_SAME if same else BOTH_OTHER).format(one=names[0], other=names[1])
    said = say("{one} and {other} give the same answer in {same} of {count}.")
    return said.format(one=names[0], other=names[1], same=same, count=counted(len(pairs), say))


def _other_emotions(one: Reading, other: Reading, names: tuple[str, str], say: Say) -> str:
    """The models have learnt other sets of emotions."""
    first, second = (sentence_list([say(name) for name in each.emotions], say) for each in (one, other))
    return say(OTHER_EMOTIONS).format(one=names[0], other=names[1], first=first, second=second)


def _title(reading: Reading, say: Say) -> str:
    title = say("Utterance {n}").format(n=reading.index + 1)
    return f"{title} <small>{seconds(reading.span)}</small>"
