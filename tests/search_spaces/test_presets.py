"""Every preset is complete and gives valid, different trials; what was published refers to its cells."""

import importlib
import pkgutil
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest

from cops_core.config import Control, Selection, Training, named_selection
from cops_core.data import DATASETS
from cops_core.errors import InputError
from cops_core.models import MODELS
from cops_core.streams import derive_seed
from cops_core.trial_state import config_hash
from search_spaces import find_space, presets
from search_spaces.presets import PRESETS
from search_spaces.presets.base import PAPERS, with_epochs
from search_spaces.presets.methods import LEVEL, TABLE_SCORES
from search_spaces.presets.published import SYNAPTIC_FLOW, SYNAPTIC_FLOW_RATES

# Modules of the package that hold no preset.
PARTS = {"base", "methods", "published", "recipes"}
FILES = sorted({module.name for module in pkgutil.iter_modules(presets.__path__)} - PARTS)
ALL = {name: importlib.import_module(f"search_spaces.presets.{name}").PRESET for name in FILES}


@pytest.fixture(params=sorted(PRESETS))
def preset(request):
    return PRESETS[request.param]


def test_every_file_is_registered_once_its_data_set_is():
    assert set(PRESETS) == {name for name in FILES if ALL[name].dataset in DATASETS}
    assert all(PRESETS[name] is ALL[name] for name in PRESETS)


@pytest.mark.parametrize("name", FILES)
def test_a_preset_is_called_as_its_file_and_names_what_it_is(name):
    preset = ALL[name]
    assert preset.name == name
    assert name == f"{preset.paper}_{preset.model}_{preset.dataset}"
    assert preset.model in MODELS
    assert preset.paper in PAPERS
    assert importlib.import_module(f"search_spaces.presets.{name}").__doc__.strip()


def test_the_papers_networks_and_data_are_all_there():
    lenets = {(model, "mnist") for model in ("lenet_300_100", "lenet_5_caffe")}
    there = {(model, "fashion_mnist") for model, _ in lenets}
    networks = {*lenets, *there, ("vgg16", "cifar10"), ("vgg16", "cifar100"), ("resnet34", "tiny_imagenet")}
    resnets = {("resnet18", "cifar10"), ("resnet18", "tiny_imagenet")}
    found = {(preset.paper, preset.model, preset.dataset) for preset in ALL.values()}
    skeletons = {("lenet_300_100", "mnist"), ("lenet_300_100", "fashion_mnist")}
    skeletons |= {("vgg19", "cifar10"), ("vgg19", "cifar100")}
    assert found == {
        *(("freezenet", *one) for one in networks),
        *(("cops", *one) for one in networks | resnets),
        *(("force", *one) for one in skeletons),
    }


def test_each_trial_is_valid_judged_on_test_and_different_from_all_others(preset):
    configs = preset.configs()
    assert len(configs) == len({config_hash(config) for config in configs}) == preset.trials
    assert all(config.test for config in configs)
    rates = [config.density for config in configs if config.density is not None]
    assert set(rates) == {1 - rate for rate in preset.rates}
    for config in configs:
        assert (config.dataset, config.model) == (preset.dataset, preset.model)
        assert config.training == preset.training
        assert config.initialization == "xavier_normal"
        assert config.validation_fraction == preset.validation_fraction


def test_seeds_derive_from_one_and_are_the_same_in_every_cell(preset):
    expected = [derive_seed(0, "preset", index) for index in range(preset.seeds)]
    assert len(set(expected)) == preset.seeds >= 3
    assert [config.seed for config in preset.dense()] == expected
    for rate, method in preset.cells():
        assert [config.seed for config in preset.cell(method, rate)] == expected


def test_the_recipe_is_complete(preset):
    training = preset.training
    assert (training.momentum, training.weight_decay, training.learning_rate) == (0.9, 5e-4, 0.1)
    assert (training.schedule, training.step_factor) == ("step", 0.1)
    grey = preset.dataset.endswith("mnist")
    assert (training.batch_size, training.step_every) == ((100, 25_000) if grey else (128, 30_000))
    assert training.augmentation == ("none" if grey else "crop_flip")
    assert training.epochs == (100 if preset.dataset == "tiny_imagenet" else 250)
    images = {"tiny_imagenet": 100_000, "cifar10": 50_000, "cifar100": 50_000}.get(preset.dataset, 60_000)
    iterations = training.epochs * (0.9 * images // training.batch_size)
    assert iterations > 2 * training.step_every, "the learning rate falls twice at least"


def test_a_scoring_batch_is_about_a_training_batch(preset):
    classes = {"cifar100": 100, "tiny_imagenet": 200}.get(preset.dataset, 10)
    for arm, selection in preset.methods.values():
        images = selection.samples_per_class * classes
        assert images == min((n * classes for n in range(1, 20)), key=lambda n: abs(n - _batch(preset))), arm


def _batch(preset):
    return preset.training.batch_size


def test_published_figures_refer_to_cells_and_say_where_they_stand(preset):
    assert len(set(preset.published)) == len(preset.published)
    for one in preset.published:
        assert one.rate in preset.rates
        assert one.method in preset.methods
        assert "arXiv" in one.source
        assert one in preset.figures(one.method, one.rate)
        assert one.value > 1 if one.unit == "factor" else 0 < one.value < 1


def test_nothing_is_published_of_fashion_mnist_and_the_rest_is_mnists():
    for name, preset in PRESETS.items():
        if preset.dataset == "fashion_mnist":
            mnist = PRESETS[name.replace("fashion_mnist", "mnist")]
            assert preset == replace(mnist, dataset="fashion_mnist", published=())


def test_the_figures_that_we_hold():
    caffe = PRESETS["freezenet_lenet_5_caffe_mnist"].figures("FreezeNet", Decimal("0.995"))
    assert {(one.unit, one.value) for one in caffe} == {("share of dense", 0.992), ("factor", 157)}
    vgg = PRESETS["cops_vgg16_cifar10"]
    assert len(vgg.published) == len(SYNAPTIC_FLOW) * len(SYNAPTIC_FLOW_RATES) == 12
    (one,) = vgg.figures("synflow", Decimal("0.999"))
    assert (one.value, one.unit) == (0.804, "accuracy")
    assert "recipe of its own" in one.source
    (one,) = PRESETS["freezenet_vgg16_cifar10"].figures("SNIP, pruned", Decimal("0.99"))
    assert one.value == 0.891
    assert sum(len(preset.published) for preset in PRESETS.values()) == 2 + 12 + 3


def test_the_columns_of_the_cops_tables():
    methods = PRESETS["cops_resnet18_cifar10"].methods
    assert {arm for arm, _ in methods.values()} == {"prune"}
    scores = {selection.scores: selection for _, selection in methods.values()}
    assert set(scores) == {(score,) for score in (*TABLE_SCORES, "random")} | set(
        permutations(TABLE_SCORES, 2)
    )
    for names, selection in scores.items():
        assert selection.rounds == (100 if "synflow" in names else 1)
        assert [control.level for control in selection.controls] == [LEVEL] * (len(names) - 1)
    for heading, (_, selection) in methods.items():
        assert ("100 rounds" in heading) == (selection.rounds == 100 and selection.target != "synflow")
        assert heading == selection.method


def test_the_columns_of_the_freezenet_tables():
    methods = PRESETS["freezenet_lenet_300_100_mnist"].methods
    assert {heading: (arm, selection.target) for heading, (arm, selection) in methods.items()} == {
        "SNIP, pruned": ("prune", "snip"),
        "FreezeNet": ("freeze", "snip"),
        "FreezeNet-WD": ("freeze_wd", "snip"),
        "random mask, frozen": ("freeze", "random"),
    }


def test_the_columns_of_the_force_tables():
    methods = PRESETS["force_vgg19_cifar100"].methods
    assert {arm for arm, _ in methods.values()} == {"prune"}
    selections = {heading: selection for heading, (_, selection) in methods.items()}
    assert list(selections) == ["random mask", "SNIP", "GraSP", "Iterative SNIP", "FORCE"]
    assert selections["FORCE"] == named_selection("force", samples_per_class=1, batches=10)
    assert selections["Iterative SNIP"] == named_selection("iterative_snip", samples_per_class=1, batches=10)
    assert {selections[name].batches for name in ("SNIP", "GraSP")} == {10}


def test_both_papers_share_the_trials_that_are_the_same():
    mine, other = (PRESETS[f"{paper}_vgg16_cifar10"] for paper in ("freezenet", "cops"))
    assert mine.dense() == other.dense()
    rate = Decimal("0.99")
    assert mine.cell("SNIP, pruned", rate) == other.cell("snip", rate)


def test_less_of_a_preset_keeps_what_it_is():
    preset = PRESETS["freezenet_lenet_5_caffe_mnist"]
    asked = preset.changed(epochs=5, seeds=2, rates=[Decimal("0.995"), Decimal("0.90")])
    assert asked.rates == (Decimal("0.9"), Decimal("0.995")), "in the preset's order"
    assert asked.trials == 2 * (1 + 2 * 4) == len(asked.configs())
    assert (asked.training.epochs, asked.training.step_every) == (5, 500)
    assert asked.trial_seeds == preset.trial_seeds[:2]
    assert preset.changed() == preset
    with pytest.raises(InputError, match=r"--rates 0.97 is not a row of freezenet_lenet_5_caffe_mnist"):
        preset.changed(rates=[Decimal("0.97")])


@pytest.mark.parametrize(
    ("schedule", "epochs", "every"),
    [("step", 1, 100), ("step", 250, 25_000), ("step", 500, 50_000), ("cosine", 1, 25_000)],
)
def test_a_shorter_training_drops_its_learning_rate_at_the_same_shares(schedule, epochs, every):
    training = Training(epochs=250, schedule=schedule, step_every=25_000)
    assert with_epochs(training, epochs) == training.model_copy(
        update={"epochs": epochs, "step_every": every}
    )


def test_a_pair_is_what_a_configuration_makes_of_it():
    _, selection = PRESETS["cops_vgg16_cifar10"].methods["cops(snip; grasp)"]
    assert selection == Selection(
        target="snip", controls=(Control(score="grasp", level=0.5),), samples_per_class=13
    )


def test_launching_a_preset_is_told_the_command():
    with pytest.raises(InputError, match="write cops table cops_vgg16_cifar10"):
        find_space("cops_vgg16_cifar10")
