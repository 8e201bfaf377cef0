"""The command line: each command checks its arguments and makes one call.

A command imports what it needs when it is called, so that `cops --help` is quick.
"""

from study.cli.app import app, main

__all__ = ["app", "main"]
