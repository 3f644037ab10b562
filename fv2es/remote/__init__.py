"""Checkpoints and Spaces on the Hub: fetched at a revision, sent in one commit.

HF_ENDPOINT and HF_HUB_OFFLINE are respected. The Hub's client knows no time-out for most of its questions and tries
again for long; so it is asked a short question first, every silence has an end, and what it says is turned into one
sentence.
"""

from fv2es.remote.fetching import fetch
from fv2es.remote.publishing import Published, check_whole, publish
from fv2es.remote.space import SpaceError, collect, deploy

__all__ = ["Published", "SpaceError", "check_whole", "collect", "deploy", "fetch", "publish"]
