"""The content of a report, from a study's records alone."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cops_core.errors import InputError
from cops_core.facts import drawn_in_words
from cops_core.trainers import ACCURACY
from search_spaces.question import Answer, Question
from study.analysis.ablation_words import ablation_headline
from study.analysis.ablations import Ablations, study_ablations
from study.analysis.answer import answer, headline
from study.analysis.configurations import ConfigurationResult, by_configuration, choosing
from study.analysis.fairness import Choice, choices
from study.analysis.fairness_words import warnings
from study.analysis.judged import MethodTable, study_methods
from study.analysis.judged_words import budget, sentences
from study.analysis.regions import Region, searched_regions
from study.analysis.words import means, seconds
from study.records.evaluations import Evaluation, evaluated_accuracies, read_evaluations
from study.records.runs import read_runs
from study.records.store import StudyStore
from study.records.study_record import StudyRecord
from study.records.tables import Additions
from study.records.trial import StudyTrial
from study.search.histories import histories, recorded_space
from study.settings import Settings, parse_settings
from study.views.figures import FIGURES, PARAMETERS, Figure
from study.views.figures.methods import methods_by_rate
from study.views.figures.parameters import importances, slices
from study.views.figures.style import svg
from study.views.report.command import launch_command
from study.views.report.ends import End, ends

MOST_HISTORIES = 12  # whose parameters are drawn: each takes seconds
LONGEST_NAME = 60
KEY_OF_METHODS = "methods"  # the key figure of a study that compares methods
KEY_OF_ABLATIONS = "ablations"  # and that of a trial's ablations


@dataclass(frozen=True)
class Report:
    """The content of a study's report.

    Attributes:
        name: The study's name.
        headline: The answer in a sentence.
        facts: Short facts about the study, by heading.
        caveat: How reliable the numbers are.
        trials: All trials.
        configurations: All configurations from which validation chooses.
        answer: The complete answer.
        methods: The methods of a study that compares them with equal budgets; None for other questions.
        ablations: A trial and its ablations; None for other questions.
        choices: The answer's configurations, with those from which they were chosen.
        not_equal: What is not equal between them, a line each.
        test_results: The configurations that were evaluated on the test images, with their test accuracies as
            text.
        more: What is known about the trials, apart from their records.
        drawings: The figures that could be drawn, by name.
        regions: The regions of the score family, if its members were searched.
        histories: By the name of the history the part HISTORY of the figures' names, for which `drawings` has
            `importances_HISTORY` or `slices_HISTORY`.
        no_parameters: Why there is no such figure; empty if there is one.
        ends: The trials that did not finish, in groups.
        reproduction: What is needed to run the study or a trial again, by heading.
    """

    name: str
    headline: str
    facts: dict[str, str]
    caveat: str
    trials: tuple[StudyTrial, ...]
    configurations: tuple[ConfigurationResult, ...]
    answer: Answer[ConfigurationResult]
    methods: MethodTable | None
    ablations: Ablations | None
    choices: tuple[Choice, ...]
    not_equal: tuple[str, ...]
    test_results: tuple[tuple[Choice, str], ...]
    more: Additions
    drawings: dict[str, Figure]
    regions: tuple[Region, ...]
    histories: dict[str, str]
    no_parameters: str
    ends: tuple[End, ...]
    reproduction: dict[str, str]

    @cached_property
    def vectors(self) -> dict[str, bytes]:
        """The drawings as SVG files."""
        return {name: svg(figure) for name, figure in self.drawings.items()}


def gather(store: StudyStore) -> Report:
    """Gather the report of a recorded study.

    Raises:
        InputError: Its records cannot be read.
    """
    return make_report(store.name, store.record(), store.trials(), read_evaluations(store), read_runs(store))


def make_report(
    name: str,
    record: StudyRecord,
    trials: Sequence[StudyTrial],
    evaluations: Sequence[Evaluation] = (),
    runs: Mapping[str, str] | None = None,
) -> Report:
    """Make the report of these trials.

    Args:
        name: The study's name.
        record: The study's record.
        trials: The study's trials.
        evaluations: The study's evaluations on the test images.
        runs: The ids of MLflow's runs by the trial's name; None if none is known.
    """
    settings, every = parse_settings(record["settings"]), by_configuration(trials)
    question, found, methods = settings.question, choosing(every), study_methods(every, settings)
    ablations = study_ablations(every, settings)
    drawings = {} if methods is None else {KEY_OF_METHODS: methods_by_rate(methods)}
    if ablations is not None:
        drawings[KEY_OF_ABLATIONS] = methods_by_rate(ablations.table)
    drawings |= {name: figure.drawn(every) for name, figure in FIGURES.items()}
    parameters, names, missing = _parameters(settings, trials)
    answered = answer(every, question)
    chosen = choices(answered.configurations, every)
    return Report(
        name=name,
        headline=_headline(every, question, methods, ablations),
        facts=_facts(record["started"], settings, trials, found, methods),
        caveat=_caveat(found, methods, ablations, evaluated=bool(evaluations)),
        trials=tuple(trials),
        configurations=tuple(found),
        answer=answered,
        methods=methods,
        ablations=ablations,
        choices=chosen,
        not_equal=tuple(warnings(chosen)),
        test_results=tuple(_test_results(evaluations, found)),
        more=Additions(evaluated_accuracies(evaluations), runs or {}),
        drawings={name: figure for name, figure in (drawings | parameters).items() if figure is not None},
        regions=tuple(searched_regions(found)) if found and found[0].measure.share else (),
        histories=names,
        no_parameters=missing,
        ends=tuple(ends(trials)),
        reproduction=_reproduction(name, record, trials),
    )


def _headline(
    every: Sequence[ConfigurationResult],
    question: Question,
    methods: MethodTable | None,
    ablations: Ablations | None,
) -> str:
    if ablations is not None and ablations.table.rows:
        return ablation_headline(ablations.table)
    if methods is not None and methods.rows and methods.exhaustive:
        return sentences(methods)[0]  # the sentence of the question is in the order of accuracies
    return headline(every, question)


def _facts(
    started: str,
    settings: Settings,
    trials: Sequence[StudyTrial],
    found: Sequence[ConfigurationResult],
    methods: MethodTable | None,
) -> dict[str, str]:
    counts = Counter(trial.status.replace("_", " ") for trial in trials)
    spent = sum((trial.ended or trial.started) - trial.started for trial in trials if not trial.reused_from)
    seeds = f"with {'' if settings.kind == 'ablate' else 'up to '}{settings.seeds} seeds"
    if methods is not None:
        most = max((len(each.trials) for each in found), default=0)
        first = "1 seed" if most == 1 else f"{most} seeds"
        seeds = f"{budget(methods)}, on {first}; what was chosen on {methods.seeds} fresh seeds"
    return {
        "question": settings.question.about(trials[0].measure if trials else ACCURACY),
        "data and network": "; ".join(dict.fromkeys(trial.config.subject for trial in trials)),
        "configurations": f"{len(found)} of {settings.trials}, {seeds}",
        "trials": ", ".join(f"{count} {status}" for status, count in counts.most_common()) or "none yet",
        "search": f"none: trial {settings.space} and its ablations"
        if settings.kind == "ablate"
        else f"{settings.sampler}, early stopping {settings.stopping}, space {settings.space}",
        "started": started[:16].replace("T", " ") + " UTC",
        "time in trials": seconds(spent),
    }


def _caveat(
    found: Sequence[ConfigurationResult],
    methods: MethodTable | None,
    ablations: Ablations | None,
    *,
    evaluated: bool,
) -> str:
    """How reliable the numbers are. evaluated: whether the study was evaluated on the test images."""
    if methods is not None:
        return _of_methods(methods)
    if ablations is not None:
        return (
            f"Means over {ablations.table.seeds} fresh seeds, the same for the trial and its ablations; ± and"
            " bars are 95 % intervals of the mean (Student's t). Nothing is chosen by them."
        )
    most = max((len(each.accuracies) for each in found), default=0)
    chosen = (
        "The best are chosen by the validation accuracies that are shown, so these are too high on average."
        + (
            " Below are their accuracies on the test images."
            if evaluated
            else " cops close evaluates them on the test images."
        )
    )
    if most < 2:
        return f"One seed each: there are no intervals, and differences may be chance. {chosen}"
    return (
        f"Means over up to {most} seeds; ± and bands are 95 % intervals of the mean (Student's t). {chosen}"
    )


def _of_methods(methods: MethodTable) -> str:
    """How reliable the numbers of a study are that compares methods."""
    if not methods.is_judged:
        return (
            "Nothing is evaluated on test yet. The best are chosen by the validation accuracies that are"
            " shown, so these are too high on average."
        )
    return (
        f"Accuracies on test are means over up to {methods.seeds} fresh seeds, which chose nothing; ± and"
        " bands are 95 % intervals of the mean (Student's t). Those on validation chose the configurations,"
        " so they are too high on average."
    )


def _test_results(
    evaluations: Sequence[Evaluation], found: Sequence[ConfigurationResult]
) -> list[tuple[Choice, str]]:
    """The results of the latest evaluation, by rate, the best on validation first."""
    by_number: dict[int, list[float]] = {}
    for one in evaluations[-1]["results"] if evaluations else ():
        by_number.setdefault(one["configuration"], []).append(one["test_accuracy"])
    chosen = [each for each in found if each.number in by_number]
    chosen.sort(key=lambda each: (-1.0 if each.rate is None else float(each.rate), -each.quality))
    tests = [means(by_number[each.number], each.measure) for each in chosen]
    return list(zip(choices(chosen, found), tests, strict=True))


def _parameters(
    settings: Settings, trials: Sequence[StudyTrial]
) -> tuple[dict[str, Figure], dict[str, str], str]:
    """Optuna's figures of the first histories, the histories' names in them, and why there are no others."""
    try:
        known = histories(recorded_space(settings), settings, trials)
    except InputError as error:  # a user's space that no longer exists
        return {}, {}, f"The search cannot be rebuilt: {error}"
    shown: dict[str, Figure] = {}
    names: dict[str, str] = {}
    for history, study in sorted(known.items()):
        if len(names) == MOST_HISTORIES:
            of = f"of {len(known)} histories"
            return shown, names, f"{PARAMETERS.caption} Figures of the first {MOST_HISTORIES} {of} are here."
        name = file_name(history)
        drawn = {f"importances_{name}": importances(study), f"slices_{name}": slices(study)}
        figures = {key: figure for key, figure in drawn.items() if figure is not None}
        shown |= figures
        names |= {history: name} if figures else {}
    return shown, names, "" if shown else PARAMETERS.absent


def file_name(history: str) -> str:
    """A part of a file's name for a history: its own name, or one that any storage takes."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "_", history)[:LONGEST_NAME]
    return plain if plain == history else f"{plain}-{hashlib.sha256(history.encode()).hexdigest()[:8]}"


def _reproduction(name: str, record: StudyRecord, trials: Sequence[StudyTrial]) -> dict[str, str]:
    """What is needed to run the study or one of its trials again, by heading."""
    settings, launches = record["settings"], record["launches"]
    first, fresh = (
        dict(sorted({t.seed_index: t.config.seed for t in trials if (t.judges is None) == is_first}.items()))
        for is_first in (True, False)
    )
    seeds = f"study {settings['seed']}; trials {', '.join(map(str, first.values()))}"
    seeds += f"; fresh {', '.join(map(str, fresh.values()))}" if fresh else ""
    data = dict.fromkeys(
        f"{trial.config.dataset} {trial.data_sha256}" for trial in trials if trial.data_sha256 is not None
    )
    machines = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in trial.facts["machine"].items() if value)
        for trial in trials
        if trial.facts is not None
    )
    commits = dict.fromkeys(launch["git_commit"] or "an installed copy" for launch in launches)
    versions = ", ".join(f"{library} {number}" for library, number in launches[-1]["versions"].items())
    content = {
        "the study": launch_command(name, settings),
        "one trial": "cops replay RUN, with the id of its run in MLflow",
        "seeds": seeds,
        "commit": ", ".join(commits),
        "versions": versions,
        "initial weights": "; ".join(
            f"{network['model']}: {drawn_in_words(network)}" for network in record.get("drawn_weights", ())
        ),
        "data, SHA-256": "; ".join(data),
        "machine": "; ".join(machine for machine in machines if machine),
        "launches": ", ".join(launch["at"][:16].replace("T", " ") for launch in launches),
    }
    return {heading: value for heading, value in content.items() if value}
