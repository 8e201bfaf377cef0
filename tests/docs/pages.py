"""README.md, CONTRIBUTING.md and docs/*.md taken apart: blocks, commands, inline code, headings, links."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
}

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
# Blocks without a language are output, unless they begin with one of these.
PROGRAM = re.compile(r"(ray|cops|uv|pip|aws|kubectl|sbatch|git|python3?|mlflow|export|cd|mkdir|[A-Z]+=)\b")
# An indented line is a command where it begins with one of these; else it is a formula.
INDENTED = re.compile(r"^ {4,}((?:uv run|cops|ray|pip) .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, "" for none, its text without the indentation, where it begins."""

    language: str
    text: str
    start: int


def blocks(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        indent = match[1]
        lines = [line.removeprefix(indent) for line in match[3].splitlines()]
        found.append(Block(match[2], "\n".join(lines) + "\n", match.start()))
    return found


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def commands_of(script: str) -> list[str]:
    """The commands of a shell block: continued lines joined, comments gone, `a && b` as two."""
    lines = re.sub(r"\\\n\s*", "", script).splitlines()
    bare = [re.sub(r"(^|\s+)#(\s.*)?$", "", line).strip() for line in lines]
    return [part.strip() for line in bare if line for part in line.split(" && ")]


@dataclass(frozen=True)
class Step:
    """What a reader does next: a command, or a Python block."""

    kind: Literal["command", "python"]
    text: str


def steps(text: str) -> list[Step]:
    """Everything on a page that can be run, in its order; a command that is written twice once."""
    found: list[tuple[int, Step]] = []
    for block in blocks(text):
        if block.language == "python":
            found.append((block.start, Step("python", block.text)))
        elif block.language == "sh" or (not block.language and PROGRAM.match(block.text)):
            found += [(block.start, Step("command", command)) for command in commands_of(block.text)]
    fenced = [range(match.start(), match.end()) for match in FENCE.finditer(text)]
    for match in INDENTED.finditer(text):
        if not any(match.start() in inside for inside in fenced):
            found += [(match.start(), Step("command", command)) for command in commands_of(match[1])]
    return list(dict.fromkeys(step for _, step in sorted(found, key=lambda pair: pair[0])))


def commands(text: str) -> list[str]:
    return [step.text for step in steps(text) if step.kind == "command"]


def python_blocks(text: str) -> list[str]:
    return [step.text for step in steps(text) if step.kind == "python"]


def spans(text: str) -> list[str]:
    """Inline code, line breaks within as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number, anchor = 0, plain
        while anchor in found:
            number += 1
            anchor = f"{plain}-{number}"
        found.add(anchor)
    return found


def links(text: str) -> list[str]:
    """The targets of all links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def tables(text: str) -> list[list[list[str]]]:
    """All tables: rows of cells, the heading first, without the line below it."""
    found: list[list[list[str]]] = [[]]
    for line in prose(text).splitlines():
        if line.lstrip().startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                found[-1].append(cells)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]
