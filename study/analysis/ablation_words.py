"""What the ablations of a trial may conclude, in sentences: which property of its mask carries its result.

The rules: the difference of an ablation to the unchanged trial is an effect if its p-value is below 0.05
after Holm's correction for all ablations. Otherwise nothing was found, which does not show that there is
nothing: the sentence says which difference would have been found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from cops_core.trainers import Measure
from study.analysis.ablations import UNCHANGED
from study.analysis.judged import MethodResult, MethodTable
from study.analysis.judged_words import SIGNIFICANT, power_sentence

# Of a property that ablations remove. carries: without it the result is worse. harms: it is better. mixed:
# two ablations that remove it have opposite effects. not found: no effect is more than chance. unknown: there
# is no p-value. Of the layer densities, which all ablations keep: may suffice, does not suffice.
Finding = Literal["carries", "harms", "mixed", "not found", "unknown", "may suffice", "does not suffice"]

PLACES, DENSITIES, RANKING, VALUES = "places", "layer densities", "ranking", "initial values"
# The ablations that remove a property. Those of the places are two draws of the same kind.
REMOVED_BY: Mapping[str, tuple[str, ...]] = {
    PLACES: ("shuffle", "random"),
    RANKING: ("invert",),
    VALUES: ("reinitialize",),
}
INSTEAD: Mapping[str, str] = {
    PLACES: "at random places, with as many weights in each layer",
    RANKING: "with the lowest scores of each layer in place of the highest",
    VALUES: "with other initial values of the kept weights, from the same distribution",
}
OPENINGS: Mapping[Finding, str] = {
    "carries": "a part of the result is lost",
    "harms": "the result is better",
    "mixed": "two draws disagree",
    "not found": "no difference was found",
    "unknown": "nothing is known",
}
# What the finding about the places says about the layer densities.
OF_DENSITIES: Mapping[Finding, Finding] = {
    "carries": "does not suffice",
    "harms": "may suffice",
    "not found": "may suffice",
}
# The headline, a clause for each finding.
CLAUSES: Mapping[Finding, str] = {
    "carries": "carried by its {}",
    "does not suffice": "its {} alone do not suffice",
    "may suffice": "its {} alone may suffice",
    "harms": "better without its {}",
    "mixed": "two draws disagree about its {}",
    "not found": "no effect was found of its {}",
    "unknown": "nothing is known about its {}",
}


@dataclass(frozen=True)
class Conclusion:
    """What is known about one property of the mask.

    Attributes:
        subject: The places of the weights within their layers, the number of weights in each layer, the
            ranking by the scores, or the initial values of the kept weights.
        finding: See `Finding`.
        sentence: The finding with its numbers.
    """

    subject: str
    finding: Finding
    sentence: str


def conclusions(table: MethodTable) -> list[Conclusion]:
    """What the ablations show, a conclusion for each property.

    Args:
        table: See `study.analysis.ablations.ablation_table`.

    Returns:
        The conclusions; none before all trials have ended, and none if the unchanged trial is no better than
        guessing: then there is no result that anything could carry. A property without an ablation is left
        out.
    """
    if not table.is_complete or is_guessing(table):
        return []
    rows = {row.method: row for row in table.rows}
    found = {
        subject: _about(subject, present, table.measure)
        for subject, names in REMOVED_BY.items()
        if (present := [rows[name] for name in names if name in rows])
    }
    if PLACES in found:
        found[DENSITIES] = _densities(found[PLACES], rows, table.measure)
    return [found[subject] for subject in (PLACES, DENSITIES, RANKING, VALUES) if subject in found]


def is_guessing(table: MethodTable) -> bool:
    """Whether most networks of the unchanged trial are no better than guessing, or connect no class."""
    trials = [t for row in table.rows if row.method == UNCHANGED and row.judged for t in row.judged.trials]
    return 2 * sum(trial.at_chance or trial.status == "collapsed" for trial in trials) > len(trials)


def ablation_headline(table: MethodTable) -> str:
    """What carries the result, in one sentence."""
    if not table.is_complete:
        return "Not all trials have ended: nothing is concluded yet."
    if is_guessing(table):
        return "The unchanged trial is no better than guessing: it has no result that anything could carry."
    found = conclusions(table)
    clauses = [
        clause.format(_joined(subjects))
        for finding, clause in CLAUSES.items()
        if (subjects := [each.subject for each in found if each.finding == finding])
    ]
    return f"The result of the mask: {'; '.join(clauses)}."


def _joined(subjects: Sequence[str]) -> str:
    """`places, ranking and initial values`."""
    *others, last = subjects
    return f"{', '.join(others)} and {last}" if others else last


def ablation_notes(table: MethodTable) -> list[str]:
    """What must be known to read the table."""
    found = [
        f"Accuracies on the test part, of networks trained on the same {table.seeds} fresh seeds: no search"
        " has used these seeds or these images. They choose nothing.",
        f"Differences are to {UNCHANGED}, paired by seed. The masks of a seed keep as many weights in each"
        " layer.",
    ]
    if compared := table.compared:
        found.append(power_sentence(compared))
    if waiting := sum(row.waiting for row in table.rows):
        found.append(f"{waiting} trials are still to come: there are no p-values before.")
    return found


def effect_of(row: MethodResult, measure: Measure) -> Finding:
    """What an ablation shows about the property that it removes.

    Args:
        row: The ablation's, with its difference to the unchanged trial.
        measure: What was measured.

    Returns:
        carries, harms, not found or unknown.
    """
    if row.difference is None or not row.difference.p_value >= 0:
        return "unknown"
    if row.difference.p_value >= SIGNIFICANT:
        return "not found"
    return "carries" if measure.quality(row.difference.interval.mean) < 0 else "harms"


def _about(subject: str, rows: Sequence[MethodResult], measure: Measure) -> Conclusion:
    """What the ablations that remove a property show about it."""
    effects = {row.method: effect_of(row, measure) for row in rows}
    clear = {effect for effect in effects.values() if effect in ("carries", "harms")}
    finding: Finding = "not found" if "not found" in effects.values() else "unknown"
    if clear:
        finding = "mixed" if len(clear) > 1 else next(iter(clear))
    known = [row for row in rows if effects[row.method] != "unknown"]
    values = ", ".join(_change(row, measure, doubt=bool(clear)) for row in known)
    text = f"{subject}: {OPENINGS[finding]} {INSTEAD[subject]}"
    text += f": {values}" if known else ": fewer than two seeds have both accuracies"
    if finding == "not found":
        least = max(row.difference.least for row in known if row.difference is not None)
        text += f"; one of {least:{measure.spec}} would have been found with a probability of 80 %"
    return Conclusion(subject, finding, f"{text[0].upper()}{text[1:]}.")


def _change(row: MethodResult, measure: Measure, *, doubt: bool) -> str:
    """`-5.10% ± 0.44% (shuffle)`. doubt: whether a difference that is not more than chance is marked."""
    assert row.difference is not None
    found, spec = row.difference.interval, measure.spec
    marked = ", may be chance" if doubt and row.difference.p_value >= SIGNIFICANT else ""
    return f"{found.mean:+{spec}} ± {found.half_width:{spec}} ({row.method}{marked})"


def _densities(places: Conclusion, rows: Mapping[str, MethodResult], measure: Measure) -> Conclusion:
    """What random places, with the mask's layer densities, say about these."""
    finding = OF_DENSITIES.get(places.finding)
    drawn = [rows[name].test for name in REMOVED_BY[PLACES] if name in rows]
    found = [test.mean for test in drawn if test is not None]
    unchanged = rows[UNCHANGED].test
    if finding is None or unchanged is None or not found:
        return Conclusion(DENSITIES, "unknown", "Layer densities: nothing is known about what they reach.")
    words = "they alone do not suffice" if finding == "does not suffice" else "they alone may suffice"
    spec = measure.spec
    sentence = (
        f"Layer densities: {words}: random places with these densities have {fmean(found):{spec}}, the mask"
        f" has {unchanged.mean:{spec}}. Other densities are not tested here."
    )
    return Conclusion(DENSITIES, finding, sentence)
