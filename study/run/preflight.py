"""Checks before the first trial: each problem is an InputError with one line."""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from cops_core.config import Selection, TrialConfig
from cops_core.data import ImageData, load_data
from cops_core.data.base import split_places
from cops_core.errors import InputError
from cops_core.floors import layer_floors
from cops_core.folders import check_writable
from cops_core.groups import check_floors
from cops_core.models import build_model
from cops_core.prunable import PRUNABLE
from cops_core.scores import CONVENTIONS
from cops_core.train import check_steps
from cops_core.trainers import IMAGES
from cops_core.trial_selection import check_scoring, reads_images


def check_home(home: Path) -> None:
    """Check that the home can be written, without making it.

    Raises:
        InputError: It cannot.
    """
    _check_writable(home, "home", "--home")


def check_score_cache(folder: Path) -> None:
    """Check that the score cache of this machine can be written, without making it.

    Raises:
        InputError: It cannot.
    """
    _check_writable(folder, "score cache", "--score-cache")


def _check_writable(folder: Path, what: str, flag: str) -> None:
    try:
        check_writable(folder)
    except OSError as error:
        raise InputError(
            f"{what} {folder} cannot be written ({error.strerror}): choose another with {flag}"
        ) from error


def check_data(configs: Iterable[TrialConfig], data_root: Path, densities: Sequence[Decimal] = ()) -> None:
    """Check that the data of trials exist and can be split, and that networks and scores fit them.

    Args:
        configs: The trials, or some that are like them.
        data_root: The folder for downloads.
        densities: Those that each selection will have besides its own, if the study sets them.

    Raises:
        InputError: A data set cannot be loaded or split, a network does not support its images, a class has
            too few images for a score that reads them, a floor needs more weights than are kept, or a
            training has too few steps to change its mask.
    """
    fitted: set[tuple[str, str]] = set()
    floored: set[tuple[object, ...]] = set()
    scored: set[tuple[object, ...]] = set()
    trained: set[tuple[object, ...]] = set()
    every = list(configs)
    if len(trainers := sorted({config.trainer for config in every})) > 1:
        raise InputError(
            f"the space has trials of the trainers {' and '.join(trainers)}, which cannot be compared:"
            " make a space for each"
        )
    images = [config for config in every if config.trainer == IMAGES]
    for config in sorted(images, key=lambda config: config.dataset):  # few data sets fit into memory
        data = load_data(config.dataset, data_root.expanduser())
        if (config.dataset, config.model) not in fitted:
            fitted.add((config.dataset, config.model))
            build_model(config.model, data.shape, data.classes)
        selection = config.selection
        if selection is not None and selection.floor is not None:
            use = (config.dataset, config.model, selection.convention, selection.floor, config.density)
            if use not in floored:
                floored.add(use)
                own = () if config.density is None else (config.density,)
                _check_floor(config, selection, data, {*densities, *own})
        asked = selection and (selection.samples_per_class, selection.convention, reads_images(selection))
        key = (config.dataset, config.seed, config.validation_fraction, asked)
        if key not in scored:
            scored.add(key)
            split_places(len(data.train_labels), config.seed, config.validation_fraction)
            check_scoring(config, data)
        regrow = None if selection is None else selection.regrow
        length = (config.dataset, config.validation_fraction, config.training, regrow)
        if length not in trained:
            trained.add(length)
            check_steps(config, data)


def _check_floor(
    config: TrialConfig, selection: Selection, data: ImageData, densities: Collection[Decimal]
) -> None:
    if selection.floor is None or not densities:
        return
    model = build_model(config.model, data.shape, data.classes)
    weights = PRUNABLE[CONVENTIONS[selection.convention].prunable](model)
    floors = layer_floors(selection.floor, model, weights)
    check_floors(selection.floor, floors.values(), min(densities))
