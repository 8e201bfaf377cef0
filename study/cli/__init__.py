"""The command line. Thin: each command checks its words and makes one call.

Commands import what they need when they are called, so that `cops --help` is quick.
"""

from study.cli.app import app, main

__all__ = ["app", "main"]
