"""Which of MLflow's errors pass, and which come again however often the request is repeated."""

from mlflow.exceptions import MlflowException

# The request itself is wrong, or what it asks for cannot be. All else may pass: a server that starts,
# a database that is locked, a disk that is full, a token that is renewed.
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
    """Whether the same request would fail again; so does a mistake of this program."""
    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    return not isinstance(error, OSError)  # that of the network and of requests are OSErrors


def is_lost(error: Exception) -> bool:
    """Whether a run is gone: somebody deleted it for good, or the database is another one now."""
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"


def is_too_old(error: Exception) -> bool:
    """Whether the server does not know what it was asked for."""
    if isinstance(error, MlflowException):
        return error.error_code in UNKNOWN_ENDPOINTS
    return isinstance(error, NotImplementedError)


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:REASON_LENGTH]
