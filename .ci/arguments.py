"""Writes study/arguments.py from the settings and the questions: `uv run python .ci/arguments.py`.

The command line reads the result at every start, without the imports that the settings need; editors and
type checkers read the arguments of `study.launch` there. A test compares the file with this program.
"""

import subprocess
import sys
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from search_spaces.question import QUESTIONS
from study.flags import COMPARISON, QUESTION, Flag
from study.settings import Settings, setting_flags

FILE = Path(__file__).parents[1] / "study" / "arguments.py"
HEAD = '''"""The settings as flags of commands, and as arguments of `study.launch`.

Written by `uv run python .ci/arguments.py` from `study.settings` and `search_spaces.question`: edit these.
"""

# ruff: noqa: E501

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict

from study.flags import Flag
'''


def main() -> None:
    """Write the file."""
    FILE.write_text(text())


def text() -> str:
    """The content of the file."""
    settings = {name: _whole(Settings.model_fields[name], flag) for name, flag in setting_flags().items()}
    arguments = {name: flag for name, flag in settings.items() if not flag.argument}
    lines = [
        HEAD,
        *_mapping("SETTINGS", settings),
        "# The rates are for all questions, each other flag for a single one.",
        *_mapping("QUESTION_FLAGS", _question_flags()),
        "class Arguments(TypedDict, total=False):",
        '    """The arguments of `study.launch`: the options of `cops launch`; None leaves one out.\n',
        "    Args:",
        *(f"        {name}: {flag.help}" for name, flag in arguments.items()),
        '    """\n',
        *(f"    {name}: {_type(Settings.model_fields[name].annotation)}" for name in arguments),
    ]
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FILE), "-"]
    written = subprocess.run(ruff, input="\n".join(lines), capture_output=True, text=True, check=True)
    return written.stdout


def _mapping(name: str, flags: dict[str, Flag]) -> list[str]:
    entries = [f'    "{flag}": Flag({_facts(facts)}),' for flag, facts in flags.items()]
    return [f"{name}: Mapping[str, Flag] = {{", *entries, "}\n"]


def _facts(flag: Flag) -> str:
    """The facts that differ from a flag's defaults. The comma at the end gives each a line of its own."""
    facts = {
        field.name: getattr(flag, field.name)
        for field in dataclass_fields(Flag)
        if getattr(flag, field.name) != field.default
    }
    return "".join(f"{name}={value!r}," for name, value in facts.items())


def _whole(field: FieldInfo, flag: Flag) -> Flag:
    """The flag with the type, choices and default of the setting's field."""
    choices = _choices(field.annotation)
    kind = next((kind for kind in _parts(field.annotation) if kind in (bool, int, Path)), None)
    if kind is None and float in _parts(field.annotation) and str not in _parts(field.annotation):
        kind = None if any(get_origin(part) is Literal for part in _parts(field.annotation)) else float
    listed = f": {', '.join(choices[:-1])} or {choices[-1]}." if choices and flag.help[-1] != "." else ""
    return replace(
        flag,
        help=flag.help + listed,
        type="str" if kind is None else kind.__name__,
        choices=choices,
        **_default(field, flag),
    )


def _question_flags() -> dict[str, Flag]:
    summaries = " ".join(f"{name}: {question.summary}." for name, question in QUESTIONS.items())
    flags = {
        "rates": Flag(help="Freezing rates, e.g. 0.95,0.99.", panel=QUESTION, default="the space's"),
        "objective": Flag(help=summaries, panel=QUESTION, default="the space's", choices=tuple(QUESTIONS)),
    }
    for name, question in QUESTIONS.items():
        for field in dataclass_fields(question):
            if field.name in question.own_types():
                flags[field.name] = Flag(
                    help=f"{field.metadata['help']}, with --objective {name}.",
                    panel=COMPARISON if question.strata else QUESTION,
                    default=field.metadata.get("default", ""),
                    value=str(field.default) or None,
                    choices=_choices(field.type),
                )
    return flags


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation allows."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _choices(annotation: Any) -> tuple[str, ...]:
    """The choices of an annotation that is a Literal; else empty."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _default(field: FieldInfo, flag: Flag) -> dict[str, Any]:
    """The default as text, or as a value that is the same on every machine."""
    if flag.default or field.is_required():
        return {}
    if isinstance(field.default, Path):
        path = field.default
        home = path.is_relative_to(Path.home())
        return {"default": f"~/{path.relative_to(Path.home())}"} if home else {"value": str(path)}
    return {"value": field.default}


def _type(annotation: Any) -> str:
    """An annotation as source code, with None, which leaves the argument out; paths may be text."""
    names = []
    for part in (*(part for part in _parts(annotation) if part is not NoneType), NoneType):
        if part is Path:
            names += ["str", "Path"]
        elif get_origin(part) is Literal:
            names.append(f"Literal[{', '.join(map(repr, get_args(part)))}]")
        else:
            names.append("None" if part is NoneType else part.__name__)
    return " | ".join(names)


if __name__ == "__main__":
    main()
