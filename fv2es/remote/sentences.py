"""What the Hub's client reports, in words for a person."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0  # for the first word of an answer


def out_of_reach(error: Exception) -> bool:
    """No answer at all, or the Hub's own trouble; a refusal is an answer."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return not isinstance(error, HFValidationError)


def tell(sentence: str, error: Exception, otherwise: str) -> str:
    """`sentence` and why it is so; `otherwise` where the error itself says nothing."""
    logger.debug("%s (%s: %s)", sentence, type(error).__name__, error)
    reason = _reason(error, otherwise)
    return f"{sentence}: {reason}." if reason else f"{sentence}."


def _reason(error: BaseException, otherwise: str) -> str:
    """Why, in words for a person; "" where there is nothing to add."""
    from huggingface_hub import errors

    while isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, errors.OfflineModeIsEnabled | errors.HFValidationError):
        return ""
    if "/xet-" in str(error):  # the address where its library asks for leave
        return "its Xet store does not answer; HF_HUB_DISABLE_XET=1 goes without"
    known = {
        errors.GatedRepoError: "its owners have to give you access",
        errors.RepositoryNotFoundError: "there is no such repository, or it is not yours to see",
        errors.RevisionNotFoundError: "it has no such revision",
        errors.RemoteEntryNotFoundError: "a file is missing there",
    }
    for kind, reason in known.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return "the token does not allow it" if status in (401, 403) else f"the Hub answers with status {status}"
    if isinstance(error, ValueError):
        card = "Invalid metadata" in str(error)
        return "the head of the model card is not valid" if card else "its answer is not the Hub's"
    return getattr(error, "strerror", None) or otherwise
