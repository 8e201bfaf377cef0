"""Where a result comes from: the commit of the code and the versions of the libraries."""

import hashlib
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("cops_core", "search_spaces", "study")
LIBRARIES = ("cops-study", "torch", "torchvision", "numpy", "scipy", "ray", "optuna", "mlflow", "pyarrow")
ABSENT = "not installed"
OPTIONAL = ("timm",)  # may be absent, and matter only to those who import them


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = ABSENT
    for library in OPTIONAL:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def needed_versions() -> dict[str, str]:
    """`versions` without optional libraries that this process has not imported.

    A process that has a network of such a library in a configuration has imported it.
    """
    return {
        library: number
        for library, number in versions().items()
        if library not in OPTIONAL or library in sys.modules
    }


@cache
def git_commit() -> str:
    """The commit of this code's checkout, `-dirty` if files were changed; empty for an installed copy."""
    here = Path(__file__).resolve()
    # An installed copy may be inside the checkout of another project, whose commit is meaningless here.
    if _git(here.parent, "ls-files", here.name) != here.name:
        return ""
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


@cache
def code_sha256() -> str:
    """SHA-256 of the source of this project, of a checkout or an installed copy."""
    root, digest = Path(__file__).resolve().parent.parent, hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    """The output of git; empty without git or a checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
