"""The places of a study: its home, its storage, MLflow. Paths are recorded absolute, secrets are refused."""

import re
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qsl, unquote, urlsplit

from cops_core.errors import InputError

DEFAULT_HOME = Path("cops-home")
SQLITE = "sqlite:///"
# The names of secrets in a URI's query.
SECRET = re.compile("secret|passw|token|sig|key|credential", re.IGNORECASE)


def whole_path(path: Path) -> Path:
    """The absolute path, so that its record has the same meaning in any folder."""
    return path.expanduser().resolve()


def whole_uri(uri: str | None) -> str | None:
    """The URI of a SQLite database with its absolute path; any other URI without a change."""
    if uri is None or not uri.startswith(SQLITE) or uri.startswith(f"{SQLITE}/"):
        return uri
    _, mark, query = uri.partition("?")
    return sqlite_uri(sqlite_path(uri).resolve()) + mark + query


def sqlite_uri(path: Path) -> str:
    """The URI of a SQLite database. Of its path only `%` and `?` have a meaning there, and are encoded."""
    return SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def sqlite_path(uri: str) -> Path:
    """The path of the database that a SQLite URI names."""
    return Path(unquote(uri.removeprefix(SQLITE).partition("?")[0]))


def without_secret(uri: str | None) -> str | None:
    """Check that a tracking URI, which is recorded, contains no password.

    Args:
        uri: The URI, or None.

    Returns:
        The same URI.

    Raises:
        ValueError: It contains a password or token.
    """
    if uri is not None and _has_secret(uri):
        raise ValueError(
            "its password would be recorded: set the environment variables MLFLOW_TRACKING_USERNAME and"
            " MLFLOW_TRACKING_PASSWORD, and write the URI without them"
        )
    return uri


def storage_uri(home: Path, storage: str | None) -> str:
    """The storage of studies.

    Args:
        home: The home.
        storage: A folder or a URI; None is a folder in the home.

    Returns:
        An absolute path, or the URI.

    Raises:
        InputError: It looks like a URI but is not a valid one (`s3:bucket` is hardly meant as a folder), or
            it contains a secret.
    """
    if storage is None:
        return str((home / "studies").resolve())
    if re.match(r"[a-z][a-z0-9+]+:/?(?!/)[^/]", storage):
        raise InputError(
            f"storage {storage!r} is not a valid URI: write two slashes, e.g. s3://bucket/dir, or a folder"
        )
    try:
        secret = _has_secret(storage)
    except ValueError as error:
        raise InputError(
            f"storage {storage!r} is not a valid URI ({error}): write e.g. s3://bucket/dir"
        ) from None
    if secret:
        raise InputError(
            "the secret in --storage would be recorded: write the URI without it, and set it where the"
            " filesystem finds it (for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the"
            " machine's role)"
        )
    return storage if "://" in storage else str(Path(storage).expanduser().resolve())


def tracking(home: Path, uri: str | None) -> str:
    """MLflow's tracking URI.

    Args:
        home: The home.
        uri: A URI; None is SQLite in the home.

    Returns:
        The URI, of SQLite with an absolute path.

    Raises:
        InputError: It contains a password or token.
    """
    try:
        given = without_secret(whole_uri(uri))
    except ValueError as error:
        raise InputError(f"tracking URI: {error}") from None
    return given or sqlite_uri((home / "mlflow.db").resolve())


def find_flags(home: Path, storage: str | None = None, tracking_uri: str | None = None) -> str:
    """The flags with which a command finds a study.

    Args:
        home: The home.
        storage: As written; None is in the home.
        tracking_uri: As written; None is in the home.

    Returns:
        The flags, each after a space; empty for the default places.
    """
    flags = "" if home == DEFAULT_HOME else f" --home {quote(str(home))}"
    flags += "" if storage is None else f" --storage {quote(storage)}"
    return flags + ("" if tracking_uri is None else f" --tracking-uri {quote(tracking_uri)}")


def _has_secret(uri: str) -> bool:
    """Whether a URI contains a password or token: s3://key:secret@bucket/dir, https://token@host, ?sig=..."""
    if "://" not in uri:
        return False
    parts = urlsplit(uri)
    user = parts.netloc.rpartition("@")[0]
    named = any(SECRET.search(name) for name, _ in parse_qsl(parts.query))
    return named or ":" in user or (user != "" and parts.scheme in ("http", "https"))
