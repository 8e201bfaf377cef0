"""Where things lie: the home, the storage of studies, MLflow. Written so that they mean the same anywhere."""

import re
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qsl, urlsplit

from cops_core.errors import InputError

DEFAULT_HOME = Path("cops-home")
SQLITE = "sqlite:///"
# What a part of a URI's query is called that nobody else should read.
SECRET = re.compile("secret|passw|token|sig|key|credential", re.IGNORECASE)


def whole_path(path: Path) -> Path:
    """The path from the root, so that it is recorded as what it means now."""
    return path.expanduser().resolve()


def whole_uri(uri: str | None) -> str | None:
    """The same for a SQLite database with a relative path; any other URI as it is."""
    if uri is None or not uri.startswith(SQLITE) or uri.startswith(f"{SQLITE}/"):
        return uri
    return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).resolve()}"


def without_secret(uri: str | None) -> str | None:
    """The tracking URI itself. ValueError if a password is in it, which would be recorded."""
    if uri is not None and _has_secret(uri):
        raise ValueError(
            "its password would be recorded: write MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            " into the environment, and the URI without them"
        )
    return uri


def storage_uri(home: Path, storage: str | None) -> str:
    """Where the studies' folders lie: `storage`, a folder or a URI, else a folder in the home.

    Raises InputError for what looks like a URI and is none (a folder named `s3:` is nobody's wish), and
    for one with a secret in it.
    """
    if storage is None:
        return str((home / "studies").resolve())
    if re.match(r"[a-z][a-z0-9+]+:/?(?!/)[^/]", storage):
        raise InputError(
            f"storage {storage!r} is no URI: write two slashes, e.g. s3://bucket/dir, or a folder"
        )
    try:
        secret = _has_secret(storage)
    except ValueError as error:
        raise InputError(f"storage {storage!r} is no URI ({error}): write e.g. s3://bucket/dir") from None
    if secret:
        raise InputError(
            "the secret in --storage would be recorded: put it where the filesystem looks for it (for s3://"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role), and write the URI"
            " without it"
        )
    return storage if "://" in storage else str(Path(storage).expanduser().resolve())


def tracking(home: Path, uri: str | None) -> str:
    """MLflow's tracking URI: by default SQLite in the home. InputError if there is a secret in it."""
    try:
        given = without_secret(whole_uri(uri))
    except ValueError as error:
        raise InputError(f"tracking URI: {error}") from None
    return given or f"{SQLITE}{(home / 'mlflow.db').resolve()}"


def find_flags(home: Path, storage: str | None = None, tracking_uri: str | None = None) -> str:
    """The flags by which a command finds a study again, each after a space; none for the default places."""
    flags = "" if home == DEFAULT_HOME else f" --home {quote(str(home))}"
    flags += "" if storage is None else f" --storage {quote(storage)}"
    return flags + ("" if tracking_uri is None else f" --tracking-uri {quote(tracking_uri)}")


def _has_secret(uri: str) -> bool:
    """Whether a URI carries a password or token: s3://key:secret@bucket/dir, https://token@host, ?sig=..."""
    if "://" not in uri:
        return False
    parts = urlsplit(uri)
    user = parts.netloc.rpartition("@")[0]
    named = any(SECRET.search(name) for name, _ in parse_qsl(parts.query))
    return named or ":" in user or (user != "" and parts.scheme in ("http", "https"))
