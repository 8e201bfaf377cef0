"""What the ablations of a trial may conclude, in sentences: which property of its mask carries its result.

The rules, for each ablation: its difference to the unchanged trial is an effect if its p-value is below 0.05
after Holm's correction for all ablations. If it is not, nothing was found, which does not show that there is
nothing: the sentence says which difference would have been found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from cops_core.errors import listed
from cops_core.trainers import Measure
from study.analysis.ablations import UNCHANGED
from study.analysis.judged import MethodResult, MethodTable
from study.analysis.judged_words import SIGNIFICANT, power_sentence

# Of the property that an ablation removes. carries: without it the result is worse. harms: it is better.
# not found: neither is more than chance. mixed: two ablations that remove it disagree. unknown: no p-value.
# may suffice, does not suffice: of the layer densities, which all ablations keep.
Finding = Literal["carries", "harms", "not found", "mixed", "unknown", "may suffice", "does not suffice"]

PLACES, DENSITIES, RANKING, VALUES = "places", "layer densities", "ranking", "initial values"
# The ablations that remove a property. The two of the places are two draws of the same kind.
REMOVED_BY = {PLACES: ("shuffle", "random"), RANKING: ("invert",), VALUES: ("reinitialize",)}
# What an ablation does instead.
INSTEAD = {
    PLACES: "at random places, with as many weights in each layer",
    RANKING: "with the lowest scores of each layer instead of the highest",
    VALUES: "with other initial values from the same distribution",
}
OPENINGS: dict[Finding, str] = {
    "carries": "a part of the result is lost",
    "harms": "the result is better",
    "mixed": "two draws disagree",
    "not found": "no difference was found",
    "unknown": "nothing is known",
}
OF_DENSITIES: dict[Finding, Finding] = {
    "carries": "does not suffice",
    "harms": "may suffice",
    "not found": "may suffice",
}


@dataclass(frozen=True)
class Conclusion:
    """What is known about one property of the mask.

    Attributes:
        subject: The places of the weights in their layers, the number of weights in each layer, the ranking
            by the scores, or the initial values of the kept weights.
        finding: See `Finding`.
        sentence: The finding with its numbers.
    """

    subject: str
    finding: Finding
    sentence: str


def conclusions(table: MethodTable) -> list[Conclusion]:
    """What the ablations show, a conclusion for each property.

    Args:
        table: See `ablation_table`.

    Returns:
        The conclusions; none before all trials have ended, and none if the unchanged trial is no better than
        guessing: then there is no result that anything could carry.
    """
    if not table.is_complete or is_guessing(table):
        return []
    rows = {row.method: row for row in table.rows}
    found = {
        subject: _about(subject, [rows[name] for name in names if name in rows], table.measure)
        for subject, names in REMOVED_BY.items()
    }
    return [found[PLACES], _densities(found[PLACES], rows, table.measure), found[RANKING], found[VALUES]]


def is_guessing(table: MethodTable) -> bool:
    """Whether most networks of the unchanged trial are no better than guessing, or connect no class."""
    unchanged = next((row for row in table.rows if row.method == UNCHANGED), None)
    if unchanged is None or unchanged.judged is None:
        return False
    trials = unchanged.judged.trials
    return 2 * sum(trial.at_chance or trial.status == "collapsed" for trial in trials) > len(trials)


def ablation_headline(table: MethodTable) -> str:
    """What carries the result, in one sentence."""
    if not table.is_complete:
        return "Not all trials have ended: nothing is concluded yet."
    if is_guessing(table):
        return "The unchanged trial is no better than guessing: it has no result that anything could carry."
    found = conclusions(table)
    subjects = {finding: [e.subject for e in found if e.finding == finding] for finding in CLAUSES}
    clauses = [
        clause.format(listed(subjects[finding])) for finding, clause in CLAUSES.items() if subjects[finding]
    ]
    return f"What carries the result? {'; '.join(clauses)}."


CLAUSES: dict[Finding, str] = {
    "carries": "its {}",
    "does not suffice": "its {} alone do not suffice",
    "may suffice": "its {} may suffice",
    "harms": "without its {} it is better",
    "mixed": "two draws disagree about its {}",
    "not found": "no effect of its {} was found",
    "unknown": "too few seeds to say anything about its {}",
}


def ablation_notes(table: MethodTable) -> list[str]:
    """What must be known to read the table."""
    found = [
        f"Accuracies on the test part, of networks trained on {table.seeds} fresh seeds, the same for all rows:"
        " neither these seeds nor these images chose the trial. Choose nothing by them.",
        f"Differences are to {UNCHANGED}, paired by seed. All ablations keep as many weights in each layer.",
    ]
    if compared := table.compared:
        found.append(power_sentence(compared))
    waiting = sum(row.waiting for row in table.rows)
    return (
        [*found, f"{waiting} trials are still to come: there are no p-values before."] if waiting else found
    )


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
    shown = [
        f"{_change(row, measure)} ({row.method}{', may be chance' if clear and effect == 'not found' else ''})"
        for row in rows
        if (effect := effects[row.method]) != "unknown"
    ]
    values = ", ".join(shown) or "fewer than two seeds have an accuracy of both"
    text = f"{subject}: {OPENINGS[finding]} {INSTEAD[subject]}: {values}"
    if finding == "not found":
        least = max(row.difference.least for row in rows if row.difference and effects[row.method] == finding)
        text += f"; one of {least:{measure.spec}} would have been found with a probability of 80 %"
    return Conclusion(subject, finding, f"{text[0].upper()}{text[1:]}.")


def _densities(places: Conclusion, rows: Mapping[str, MethodResult], measure: Measure) -> Conclusion:
    """What random places, with the mask's layer densities, say about these."""
    finding = OF_DENSITIES.get(places.finding, places.finding)
    drawn = [rows[name].test for name in REMOVED_BY[PLACES] if name in rows]
    means = [test.mean for test in drawn if test is not None]
    unchanged = rows[UNCHANGED].test
    if finding not in ("may suffice", "does not suffice") or unchanged is None or not means:
        return Conclusion(DENSITIES, finding, f"Layer densities: nothing is known beyond the {PLACES}.")
    words = "they do not suffice" if finding == "does not suffice" else "they may suffice"
    sentence = (
        f"Layer densities: {words}: random places with these densities have {fmean(means):{measure.spec}}, the"
        f" mask has {unchanged.mean:{measure.spec}}. Other densities are not tested here."
    )
    return Conclusion(DENSITIES, finding, sentence)


def _change(row: MethodResult, measure: Measure) -> str:
    assert row.difference is not None
    found, spec = row.difference.interval, measure.spec
    return f"{found.mean:+{spec}} ± {found.half_width:{spec}}"
