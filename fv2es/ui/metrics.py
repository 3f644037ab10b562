"""`/metrics`: what a host's Prometheus reads, in its text format (version 0.0.4). Numbers, nothing of visitors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fv2es.ui.jobs import queue_of

METRICS = "/metrics"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

Samples = Mapping[str, float]  # value of the one label → value; "" where there is no label


def metrics(demo: Any) -> Route:
    """The page of `build_demo`'s own count of what it does."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(page(demo), media_type=TEXT, headers={"Cache-Control": "no-store"})

    return Route(METRICS, answer)


def page(demo: Any) -> str:
    """All of it, as text."""
    jobs, (waiting, room) = demo.jobs, queue_of(demo)
    lines: list[str] = []
    for name, kind, told, label, samples in (
        ("fv2es_jobs_reading", "gauge", "Clips that are read now.", "", {"": jobs.reading}),
        ("fv2es_jobs_waiting", "gauge", "Clips that wait for their turn.", "", {"": waiting}),
        ("fv2es_jobs_room", "gauge", "How many may wait.", "", {"": room or float("inf")}),
        ("fv2es_jobs_total", "counter", "Clips that are over, by how they ended.", "ended", dict(jobs.over)),
        ("fv2es_errors_total", "counter", "Clips refused or failed, by the kind of error.", "kind", dict(jobs.errors)),
        ("fv2es_utterances_total", "counter", "Utterances read.", "", {"": jobs.utterances}),
        ("fv2es_speech_seconds_total", "counter", "Seconds of clip in them.", "", {"": jobs.speech}),
        ("fv2es_stage_seconds_total", "counter", "Seconds of work, by stage.", "stage", dict(jobs.stages)),
    ):
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}", *_samples(name, label, samples)]
    return "\n".join(lines) + "\n"


def _samples(name: str, label: str, samples: Samples) -> Iterator[str]:
    for key, value in sorted(samples.items()):
        number = "+Inf" if value == float("inf") else f"{value:.6f}".rstrip("0").rstrip(".")
        yield f'{name}{{{label}="{_escaped(key)}"}} {number}' if label else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
