"""`cops import FILE --space SPACE`: a new study starts with the configurations of any Optuna study."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from cops_core.errors import InputError, lookup
from search_spaces.base import SearchSpace
from search_spaces.baselines import baseline_count
from study.console import print_line
from study.exchange.imports import new_study, origin, say_next
from study.records.store import StudyStore
from study.records.study_record import ImportOrigin, make_study_record
from study.search.fixed_parameters import check_parameters
from study.search.optuna_file import OptunaStudy, read_optuna
from study.settings import make_settings


def import_configurations(
    source: str,
    *,
    study: str | None,
    best: int | None,
    space: SearchSpace,
    values: Mapping[str, Any],
    console: Console,
) -> None:
    """Create a study that tries, after its baselines, the complete configurations of an Optuna study.

    The values that the Optuna study measured are not imported. An error leaves nothing behind.

    Args:
        source: An Optuna database.
        study: Which Optuna study; None if the file contains only one.
        best: How many configurations, the best ones; None for all.
        space: The space of the new study.
        values: The settings of the new study, with `question`. If `trials` is missing, the study has as many
            configurations as the space says, or more if these need it.
        console: For lines about the result.

    Raises:
        InputError: A parameter does not fit the space; `trials` is too small; the file is not an Optuna
            database; or a study of this name already exists.
    """
    chosen = _study(read_optuna(source), study, source)
    trials, question = chosen.best(best), values["question"]
    for trial in trials:
        check_parameters(space, question, trial.params, f"trial {trial.number} of {chosen.name!r}")
    if question.strata:
        raise InputError(
            f"--objective {question.name} gives each method its own configurations: import with another one"
        )
    needed = baseline_count(space.baselines, question) + len(trials) * (
        len(question.rates) if question.axis else 1
    )
    size = values.get("trials", max(space.trials, needed))
    if size < needed:
        raise InputError(
            f"--trials {size} is too few for the baselines and {len(trials)} configurations: write {needed}"
            " or more, or import fewer with --best"
        )
    first = tuple(trial.params for trial in trials)
    settings = make_settings(**{**values, "trials": size, "space": space.reference, "first": first})
    store = StudyStore(settings.storage_uri, settings.name)
    with new_study(store):
        store.write_plugins(settings.plugins)
        imported: ImportOrigin = {
            **origin(source),
            "study": chosen.name,
            "trials": [trial.number for trial in trials],
        }
        store.write_record(make_study_record(settings.record(), imported=imported))
    rates = f", each at rate {', '.join(map(str, question.rates))}" if question.axis else ""
    print_line(
        console,
        f"{store.name}: {len(trials)} configurations of {chosen.name!r} come after the baselines{rates};"
        " their values are not imported",
    )
    say_next(console, settings)


def _study(studies: Sequence[OptunaStudy], name: str | None, source: str) -> OptunaStudy:
    known = {study.name: study for study in studies}
    if name is not None:
        return lookup("Optuna study", name, known)
    if len(known) != 1:
        raise InputError(
            f"{source} has {len(known)} Optuna studies ({', '.join(known) or 'none'}): write --study NAME"
        )
    return studies[0]
