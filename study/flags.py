"""The facts of a setting, besides its type and default: its flag, its help, whether it may change.

This module imports nothing slow: the command line reads it at every start.
"""

from dataclasses import dataclass
from typing import Literal

# Groups of options in the help of a command.
QUESTION = "Question"
COMPARISON = "Comparison of methods"
FIELDS = "Data, network, training"
SEARCH = "Search"
MACHINE = "Machine"
PLACES = "Locations"

# never: a study always has the same value. kept: a resumed study has the earlier value unless a new one is
# given. each: the value is that of one launch.
Changes = Literal["never", "kept", "each"]


@dataclass(frozen=True, kw_only=True)
class Flag:
    """The facts of a setting.

    Attributes:
        help: One sentence for the help.
        panel: Its group in the help.
        changes: Whether it may change between the launches of a study.
        search: Whether it describes how a study searches. Studies with the same values are compared.
        decides: Whether it may influence results although it may change. The command in a report then has it.
        default: The text that the help shows in place of a default value.
        environment: The environment variable with its value.
        spelling: The flag, if it is not `--name`.
        argument: Whether it is the command's argument, not a flag.
        type: The type of its value, as of the setting's field (see `study.arguments`).
        choices: The possible values, as of the field.
        value: The default value, as of the field.
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
