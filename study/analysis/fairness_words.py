"""What was chosen, and what is not equal between results, in words."""

from collections.abc import Sequence

from study.analysis.fairness import BUDGET, EPOCHS, SETTING, Choice, by_rate, differences, recipe, shown_value

LEARNING_RATE = "learning_rate"
MOST_NAMED = 3  # methods that a line names
TRIED = "tried: configurations of the method at this rate, in brackets those stopped early"
NO_P = "there is no p where the numbers of configurations differ"

Parameters = dict[str, str]


def parameters(compared: Sequence[Choice]) -> list[Parameters]:
    """What was chosen, apart from what the methods' names and the rates say.

    Args:
        compared: The choices of one table.

    Returns:
        For each the learning rate, and everything in which the choices differ, as text by its name. A value
        is missing where it has no meaning.
    """
    rows = [
        {EPOCHS: each.result.trials[0].config.training.epochs, **recipe(each.result.trials[0].config)}
        for each in compared
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    shown = [name for name in names if len({row[name] for row in rows if name in row}) > 1]
    if LEARNING_RATE in names:
        shown = [LEARNING_RATE, *(name for name in shown if name != LEARNING_RATE)]
    return [{plain(name): shown_value(row[name]) for name in shown if name in row} for row in rows]


def plain(name: str) -> str:
    """The name of a condition or a field for readers: `learning rate`; a trainer's setting has its own."""
    return name.removeprefix(SETTING) if name.startswith(SETTING) else name.replace("_", " ")


def trial_numbers(each: Choice) -> str:
    """The numbers of its trials, as `cops show STUDY/NUMBER` takes them: `12, 31, 45`, or `4-8`."""
    numbers = [trial.number for trial in each.result.trials]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def warnings(compared: Sequence[Choice], *, budgets: bool = True) -> list[str]:
    """What is not equal between results that stand side by side, a line each; empty if all is equal.

    Args:
        compared: The choices of one table, sorted by rate. Only those of one rate are compared, and each with
            the dense network.
        budgets: Whether different numbers of configurations are said.
    """
    groups = [(group, differences(group)) for group in by_rate(compared)]
    names = [name for name in differences(compared) if any(name in found for _, found in groups)]
    names = [name for name in names if budgets or name != BUDGET]
    return [
        _warning(name, [each for group, found in groups if name in found for each in group]) for name in names
    ]


def _warning(name: str, compared: Sequence[Choice]) -> str:
    """One line. compared: the choices of all rates at which the condition differs."""
    if name == BUDGET:
        budgets = [each.budget for each in compared]
        return (
            f"not equal: {min(budgets)} to {max(budgets)} configurations of a method at a rate. The best of"
            f" more is better by chance alone: this is no ranking of methods, and {NO_P}."
        )
    known = list({each.result.number: each for each in compared if name in each.conditions}.values())
    groups: dict[str, list[Choice]] = {}
    for each in known:
        groups.setdefault(_condition(each, name), []).append(each)
    ordered = sorted(groups.items(), key=lambda entry: len(entry[1]))
    parts = [f"{value} for {_methods(members, known)}" for value, members in ordered]
    if len(ordered[-1][1]) > 1:
        parts[-1] = f"{ordered[-1][0]} for the others"
    return f"not equal: {plain(name)} {'; '.join(parts)}."


def _condition(each: Choice, name: str) -> str:
    """The value of a condition; without the value that a search chose."""
    return each.shown(name).split(", ")[0] if name in each.searched else each.shown(name)


def _methods(members: Sequence[Choice], known: Sequence[Choice]) -> str:
    """`dense, prune snip at 0.99 and 2 more`: the methods, with their rates if those of others differ."""
    numbers = {each.result.number for each in members}
    others = {each.result.method for each in known if each.result.number not in numbers}
    names = [
        f"{each.method} at {each.rate}" if each.method in others and each.rate is not None else each.method
        for each in (member.result for member in members)
    ]
    unique = list(dict.fromkeys(names))
    more = len(unique) - MOST_NAMED
    return ", ".join(unique[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
