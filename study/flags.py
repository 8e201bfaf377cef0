"""What there is to know of a setting beside its type and default: by this it is a flag, compared, kept.

Imports nothing heavy: the command line reads it at every start.
"""

from dataclasses import dataclass
from typing import Literal

# Groups of options in the help of a command.
QUESTION = "What is asked"
SEARCH = "How it is searched"
MACHINE = "What it runs on"
PLACES = "Where things lie"

# never: it is part of what the study is, and a resumed study has the same. kept: a resumed study has it as
# before, unless it is given anew. each: it belongs to one launch alone.
Changes = Literal["never", "kept", "each"]


@dataclass(frozen=True, kw_only=True)
class Flag:
    """The facts of a setting.

    help: one sentence. panel: its group in the help. changes: between the launches of a study. search:
    whether it says how a study searched, by which studies are compared. decides: whether it may decide
    results although it may change, so that the command of a report names it. default: what the help shows
    in place of a value. environment: the variable that may hold it. spelling: where the flag is not `--name`.
    argument: it is no flag, but the command's argument. type, choices, value: how a word is read, and the
    default; these are the setting's own (see `study.arguments`).
    """

    help: str
    panel: str
    changes: Changes = "never"
    search: bool = False
    decides: bool = False
    default: str = ""
    environment: str | None = None
    spelling: str | None = None
    argument: bool = False
    type: Literal["str", "int", "float", "bool", "Path"] = "str"
    choices: tuple[str, ...] = ()
    value: str | int | float | bool | None = None
