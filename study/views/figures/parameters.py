"""The effect of the searched parameters: Optuna's figures, in this project's style."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import optuna
from matplotlib import pyplot, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from optuna.study import StudyDirection
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawing

from study.views.figures.style import COLOURS, FAINT, bare

FEWEST_IMPORTANCES = 20  # trials with a value: shares from fewer are mostly noise
FEWEST_SLICES = 8  # trials with a value: fewer dots in a panel show no course
PANEL = (2.3, 2.9)  # inches of a parameter
SEED = 0  # of the random forest that estimates the importances


def importances(study: optuna.Study) -> Figure | None:
    """Draw each parameter's share of the variance of the first objective, by fANOVA.

    Only parameters that every complete trial has are included.

    Args:
        study: A history of the search.

    Returns:
        The figure, or None if too few trials are complete, no parameter varies, or all values are the same.
    """
    complete = _complete(study)
    if len(complete) < FEWEST_IMPORTANCES or len({trial.values[0] for trial in complete}) < 2:
        return None
    if not any(len({trial.params.get(name) for trial in complete}) > 1 for name in _common(study)):
        return None
    with _own_style((4.4, 0.9 + 0.3 * len(_common(study)))):
        axes = drawing.plot_param_importances(
            study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=SEED),
            target=lambda trial: cast(float, trial.values[0]),
            target_name="first objective",
        )
        for patch in axes.patches:
            patch.set_facecolor(COLOURS[0])
        for text in axes.texts:
            text.set_fontsize(8)
        axes.margins(x=0.12)
        axes.set_title("", loc="left")
        axes.set_xlabel("share of the variance", fontsize=9)
        axes.set_ylabel("")
        legend = axes.get_legend()
        if legend is not None:
            legend.remove()
        return _restyled(cast(Figure, axes.figure))


def slices(study: optuna.Study) -> Figure | None:
    """Draw the first objective against each parameter. None if too few trials are complete."""
    complete = _complete(study)
    names = sorted({name for trial in complete for name in trial.params})
    if len(complete) < FEWEST_SLICES or not names:
        return None
    first = study.directions[0]
    objective = "validation accuracy" if first is StudyDirection.MAXIMIZE else "density"
    with _own_style(PANEL):
        drawn = drawing.plot_slice(
            study, params=names, target=lambda trial: cast(float, trial.values[0]), target_name=objective
        )
        figure = next(iter(getattr(drawn, "flat", [drawn]))).figure
        figure.suptitle("")
        figure.set_size_inches(PANEL[0] * len(names) + 1.2, PANEL[1])
        for axes in figure.axes[: len(names)]:
            axes.set_title("")
            axes.set_xlabel(axes.get_xlabel(), fontsize=8)
            axes.set_ylabel(axes.get_ylabel(), fontsize=9)
            if axes.get_xscale() == "linear" and any(
                isinstance(t.get_text(), str) for t in axes.get_xticklabels()
            ):
                axes.tick_params(axis="x", rotation=30)
            axes.xaxis.set_minor_formatter(NullFormatter())
        return _restyled(figure)


def _complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _common(study: optuna.Study) -> set[str]:
    """The parameters that every complete trial has."""
    return set.intersection(*(set(trial.params) for trial in _complete(study)))


@contextmanager
def _own_style(size: tuple[float, float]) -> Iterator[None]:
    """Restore matplotlib's settings and warnings: Optuna draws with pyplot, in a style for the process."""
    with (
        rc_context({"figure.figsize": size, "figure.constrained_layout.use": True}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # about experimental functions, and parameters with a single value
        yield


def _restyled(figure: Figure) -> Figure:
    """The figure in this project's style, removed from pyplot."""
    figure.set_facecolor("white")
    for axes in figure.axes:
        axes.set_facecolor("white")
        axes.grid(color=FAINT, linewidth=0.6)
        bare(axes)
    pyplot.close(figure)
    return figure
