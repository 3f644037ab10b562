"""How much of a stranger's clip is read. Each limit can be moved by an environment variable, `FV2ES_` and its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf, isfinite


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, pixels, frames; times in seconds; `inf` = no limit. The defaults are the public page's."""

    max_bytes: float = 100e6
    max_seconds: float = 180.0  # of the clip; what lies behind is skipped and said so
    max_width: float = 3840
    max_height: float = 2160  # width and height may change places
    max_fps: float = 120
    max_frames: float = 36_000
    min_utterance: float = 0.5
    max_utterance: float = 15.0
    max_waiting: float = 20  # visitors in the queue
    decode_seconds: float = 120  # wall clock, of decoding and not of waiting for what reads it
    decode_bytes: float = 2e9  # of address space, of the process that decodes
    job_seconds: float = 600  # wall clock

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} needs a number above 0, got {getattr(self, field.name)}")
        if not self.min_utterance < self.max_utterance:
            raise ValueError(f"needs min_utterance < max_utterance, got {self.min_utterance}, {self.max_utterance}")

    @staticmethod
    def whole(limit: float) -> int | None:
        """As others take a limit: a whole number, None where there is none."""
        return int(limit) if isfinite(limit) else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Limits:
        """The defaults, moved by FV2ES_MAX_SECONDS and the like. Raises ValueError for what is no number."""
        environment = os.environ if environment is None else environment
        given = {}
        for field in fields(cls):
            variable = f"FV2ES_{field.name.upper()}"
            if value := environment.get(variable, "").strip():
                try:
                    given[field.name] = float(value)
                except ValueError as error:
                    raise ValueError(f"{variable} needs a number, got {value!r}") from error
        return cls(**given)

    @classmethod
    def unlimited(cls) -> Limits:
        """For one's own files: any length, any size on disk, any time; pictures stay within their bounds."""
        return cls(max_bytes=inf, max_seconds=inf, max_frames=inf, decode_seconds=inf, job_seconds=inf)
