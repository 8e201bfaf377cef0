"""Which of MLflow's errors are temporary, and which return each time the request is repeated?"""

from mlflow.exceptions import MlflowException

# The request itself is wrong or impossible. All other errors may be temporary: a server that starts,
# a locked database, a full disk, an expired token.
REFUSALS = frozenset(
    {
        "BAD_REQUEST",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "MALFORMED_REQUEST",
        "RESOURCE_ALREADY_EXISTS",
    }
)
UNKNOWN_ENDPOINTS = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"})
REASON_LENGTH = 200


def is_refusal(error: Exception) -> bool:
    """Whether the same request would fail again. A bug in this program counts, too."""
    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    return not isinstance(error, OSError)  # errors of the network and of `requests` are OSErrors


def is_lost(error: Exception) -> bool:
    """Whether a run no longer exists: it was deleted, or the database is a different one now."""
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"


def is_too_old(error: Exception) -> bool:
    """Whether the server does not know this kind of request."""
    if isinstance(error, MlflowException):
        return error.error_code in UNKNOWN_ENDPOINTS
    return isinstance(error, NotImplementedError)


def reason(error: Exception) -> str:
    """The error in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:REASON_LENGTH]
