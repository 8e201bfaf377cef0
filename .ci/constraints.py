"""Write constraints.txt, which pip reads, from the pins in pyproject.toml, which uv reads."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The versions that were tested. torch pins its own CUDA builds.
# Made from pyproject.toml, where they are changed, by: python .ci/constraints.py
"""


def text() -> str:
    """What constraints.txt says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return HEADER + "".join(f"{pin}\n" for pin in project["tool"]["uv"]["constraint-dependencies"])


if __name__ == "__main__":
    (ROOT / "constraints.txt").write_text(text())
