"""RigL against a training of dense weights under a mask of zeros and ones, by hand and in plain loops."""

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.artifact import load_artifact
from cops_core.artifact.fingerprint import fingerprint
from cops_core.config import Regrow, Selection, Training, TrialConfig
from cops_core.construction import construct
from cops_core.contracts.arms import check_arm
from cops_core.contracts.network_use import network_uses
from cops_core.contracts.small_data import SmallNetwork
from cops_core.data import Split, split
from cops_core.errors import InputError
from cops_core.freeze_net import FROZEN, PRUNED, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.optimizers import build_optimizer
from cops_core.regrow import change_mask, changes_at, changes_of, check_changes, fraction_at
from cops_core.train import Trainer
from cops_core.trial import Trial

EPOCHS, BATCH = 4, 9
STEPS = EPOCHS * 6  # 54 images


@pytest.fixture(scope="module")
def parts(make_data) -> Split:
    return split(make_data(), 0, Decimal("0.1"))


def network(tied: bool = False) -> nn.Module:
    def build() -> nn.Module:
        layers = [nn.Flatten(), nn.Linear(40, 7), nn.Tanh(), nn.Linear(7, 7), nn.Tanh(), nn.Linear(7, 3)]
        if tied:
            layers.insert(5, layers[3])
        return nn.Sequential(*layers)

    model = construct(build, (), 0)
    initialize(model, 0)
    return model.double()


def random_mask(model: nn.Module, shares: dict[str, float] | None = None, seed: int = 0) -> Mask:
    """A share of each layer's weights, by default a quarter."""
    draws = np.random.default_rng(seed)
    layers = {}
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            count = round((shares or {}).get(name, 0.25) * weight.numel())
            layer = np.zeros(weight.numel(), dtype=bool)
            layer[draws.permutation(weight.numel())[:count]] = True
            layers[name] = torch.from_numpy(layer).view(weight.shape)
    return Mask(layers)


class Dense:
    """Dense weights, a mask of zeros and ones, and an optimizer's formulas written out."""

    def __init__(self, model: nn.Module, mask: Mask, training: Training, regrow: Regrow) -> None:
        self.model, self.training, self.regrow = model, training, regrow
        self.masks = {name: layer.double() for name, layer in mask.items()}
        self.moments = {n: [torch.zeros_like(p), torch.zeros_like(p)] for n, p in model.named_parameters()}
        self.updates = 0
        self.write()

    def write(self) -> None:
        with torch.no_grad():
            for name, mask in self.masks.items():
                self.model.get_parameter(name).mul_(mask)

    def step(self, number: int, rate: float, images: Tensor, labels: Tensor) -> float:
        parameters = dict(self.model.named_parameters())
        loss = cross_entropy(self.model(images), labels)
        gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
        end = round(self.regrow.until * STEPS)
        if number and number % self.regrow.every == 0 and number < end:
            share = self.regrow.fraction / 2 * (1 + math.cos(math.pi * number / end))
            for name in self.masks:
                self.change(name, gradients[name], share)
        else:
            self.updates += 1
            with torch.no_grad():
                for name, weight in parameters.items():
                    self.train(name, weight, gradients[name], rate)
        self.write()
        return float(loss.detach())

    def train(self, name: str, weight: Tensor, gradient: Tensor, rate: float) -> None:
        settings, (first, second) = self.training, self.moments[name]
        if settings.optimizer == "sgd":
            first.mul_(settings.momentum).add_(gradient + settings.weight_decay * weight)
            weight -= rate * first
            return
        low, high = settings.betas
        weight *= 1 - rate * settings.weight_decay
        first.mul_(low).add_((1 - low) * gradient)
        second.mul_(high).add_((1 - high) * gradient**2)
        average = first / (1 - low**self.updates)
        weight -= rate * average / ((second / (1 - high**self.updates)).sqrt() + settings.eps)

    def change(self, name: str, gradient: Tensor, share: float) -> None:
        weight, mask = self.model.get_parameter(name).data.view(-1), self.masks[name].view(-1)
        kept = [place for place, one in enumerate(mask.tolist()) if one]
        count = math.floor(share * len(kept))
        # Python's sort leaves equal ones in their order.
        stay = sorted(kept, key=lambda place: -abs(float(weight[place])))[: len(kept) - count]
        others = [place for place in range(len(mask)) if place not in stay]
        grown = sorted(others, key=lambda place: -abs(float(gradient.view(-1)[place])))[:count]
        mask.zero_()
        mask[stay + grown] = 1
        for place in set(grown) - set(kept):
            for tensor in (weight, *(moment.view(-1) for moment in self.moments[name])):
                tensor[place] = 0


TRAININGS = {
    "sgd": Training(epochs=EPOCHS, batch_size=BATCH, learning_rate=0.2, precision="float64"),
    "adamw": Training(
        epochs=EPOCHS,
        batch_size=BATCH,
        optimizer="adamw",
        learning_rate=0.01,
        weight_decay=0.1,
        precision="float64",
        warmup_epochs=0.5,
    ),
}


@pytest.mark.parametrize("tied", [False, True], ids=["", "tied"])
@pytest.mark.parametrize("optimizer", TRAININGS)
def test_masks_and_losses_are_those_of_dense_weights_under_a_mask(parts, optimizer, tied):
    training, regrow = TRAININGS[optimizer], Regrow(every=3, fraction=0.5, until=0.8)
    mask = random_mask(network(tied))
    dense = Dense(network(tied), mask, training, regrow)
    ours = Trainer(FreezeNet(network(tied), mask, PRUNED), parts, training, 0, regrow=regrow)
    ours.network.model.train()
    changed = []
    for number in range(STEPS):
        first = number * 5 % 40
        images, labels = next(parts.train.batches([BATCH], np.arange(first, first + BATCH)))
        rate = ours.optimizer.param_groups[0]["lr"]
        before = ours.network.mask()
        loss = ours.step(images, labels)
        assert float(loss) == pytest.approx(dense.step(number, rate, images.double(), labels), rel=1e-12)
        after = ours.network.mask()
        assert all(torch.equal(layer, dense.masks[name].bool()) for name, layer in after.items())
        if before.sha256() != after.sha256():
            changed.append(number)
    assert changed == [3, 6, 9, 12, 15]  # at 18 too little of a layer would be dropped
    for name, weight in dense.model.named_parameters():
        masked = ours.network.masked.get(name)
        found = ours.network.trained[name] if masked is None else masked.theta()
        torch.testing.assert_close(found, weight, rtol=1e-9, atol=1e-12)


SHARES = st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0])


@settings(max_examples=40, deadline=None)
@given(
    shares=st.tuples(SHARES, SHARES, SHARES),
    fractions=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    levels=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
def test_each_layer_keeps_exactly_as_many_weights(shares, fractions, levels, seed):
    """Also with ties, everywhere or nearly so, and with gradients that are not finite."""
    model = network()
    names = [name for name, weight in model.named_parameters() if weight.ndim > 1]
    mask = random_mask(model, dict(zip(names, shares, strict=True)), seed)
    tested = FreezeNet(model, mask, PRUNED)
    optimizer = build_optimizer(tested.parameters(), Training(), fused=False)
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in names:
            values = tested.trained[name]
            values.copy_(torch.randint(0, levels, values.shape, generator=draws))
    for fraction in fractions:
        gradients = {}
        for name in names:
            gradients[name] = torch.randint(-levels, levels, mask[name].shape, generator=draws).double()
            gradients[name].view(-1)[::11] = (math.nan, math.inf, -math.inf)[levels % 3]
        before = {name: weight.theta().detach().clone() for name, weight in tested.masked.items()}
        change_mask(tested, optimizer, gradients, fraction)
        after = tested.mask()
        assert after.kept == mask.kept
        for name, weight in tested.masked.items():
            places = weight.kept.places
            assert bool((places.diff() > 0).all())
            theta = weight.theta().detach()
            same = theta == before[name]  # what stays has its value, all others are zero
            assert bool((same | (theta == 0)).all())
            assert not theta[~after[name]].any()


def one_layer(values: list[float], mask: list[int]) -> FreezeNet:
    model = nn.Linear(len(values), 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([values]))
    return FreezeNet(model, Mask({"weight": torch.tensor([mask]).bool()}), PRUNED)


def changed(tested: FreezeNet, gradient: list[float], fraction: float) -> tuple[list[int], list[float]]:
    optimizer = build_optimizer(tested.parameters(), Training(), fused=False)
    change_mask(tested, optimizer, {"weight": torch.tensor([gradient])}, fraction)
    weight = tested.masked["weight"]
    return weight.kept.places.tolist(), weight.theta().detach()[0].tolist()


def test_by_hand():
    """Weights 1 and 3 have the smallest magnitudes; 3 comes back with its value, its gradient is large."""
    tested = one_layer([5, -1, 9, 2, 9, 9], [1, 1, 0, 1, 0, 0])
    assert changed(tested, [0, 1, 2, -8, 3, 3], 0.67) == ([0, 3, 4], [5, 0, 0, 2, 0, 0])


def test_of_equal_ones_the_lower_index_stays_and_is_grown():
    tested = one_layer([1, -1, 1, 9, 9, 9], [1, 1, 1, 0, 0, 0])
    assert changed(tested, [0, 0, 0, 2, -2, 2], 0.67) == ([0, 3, 4], [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "mask", [[1] * 6, [0] * 6, [1, 1, 0, 0, 0, 0]], ids=["full", "empty", "nothing to drop"]
)
def test_nothing_moves(mask):
    values = [3.0, 1, 2, 6, 5, 4]
    fraction = 0.4 if sum(mask) < 6 else 1.0
    expected = [value * kept for value, kept in zip(values, mask, strict=True)]
    found = changed(one_layer(values, mask), [1, 2, 3, 4, 5, 6], fraction)
    assert found == ([place for place, kept in enumerate(mask) if kept], expected)


@pytest.mark.parametrize("model", ["lenet_300_100", "lenet_5_caffe", "mlp_512", "resnet20"])
def test_networks_train_resume_and_are_stored(make_data, model):
    """As the checks before a study do: with a mask that changes in the first step of a resumed trainer."""
    data = make_data(shape=(1, 28, 28))
    settings = config().changed(model=model)
    network = SmallNetwork(settings, data, {})
    check_arm(network, network.whole, settings, Decimal("0.1"))


def test_a_study_checks_a_mask_that_changes_like_an_arm_of_its_own():
    fixed = config().changed(selection=Selection(target="random"))
    (use,) = network_uses([fixed, config()])
    assert [arm for arm, *_ in use.arms] == ["prune", "prune, RigL"]


def test_when_the_mask_changes():
    regrow = Regrow(every=10, fraction=0.3, until=0.75)
    assert [step for step in range(60) if changes_at(regrow, step, 60)] == [10, 20, 30, 40]
    for steps in range(1, 90):
        assert changes_of(regrow, steps) == sum(changes_at(regrow, step, steps) for step in range(steps))
    assert fraction_at(regrow, 0, 60) == pytest.approx(0.3)
    assert fraction_at(regrow, 15, 40) == pytest.approx(0.15)
    assert fraction_at(regrow, 30, 40) == pytest.approx(0)


def test_a_mask_that_would_never_change_is_refused(parts, refused):
    check_changes(Regrow(every=10), 15)
    with refused("every 10 steps.*never.*14 steps.*smaller `every`.*more epochs"):
        check_changes(Regrow(every=10), 14)
    training = Training(epochs=1, batch_size=BATCH, precision="float64")
    with refused("never"):
        Trainer(FreezeNet(network(), random_mask(network()), PRUNED), parts, training, 0, regrow=Regrow())


def test_weights_outside_a_frozen_mask_do_not_move():
    tested = FreezeNet(network(), random_mask(network()), FROZEN)
    with pytest.raises(ValueError, match="places"):
        tested.move(tested.places)


def config(**changes) -> TrialConfig:
    """Seven batches an epoch: the mask changes in the middle of epochs, at steps 4, 8, 12, 16 and 20."""
    regrow = Regrow(**{"every": 4, "fraction": 0.5} | changes.pop("regrow", {}))
    chosen = {"target": "random", "scope": "erk", "regrow": regrow} | changes.pop("selection", {})
    training = Training(**{"epochs": 4, "batch_size": 200} | changes.pop("training", {}))
    whole = {"arm": "prune", "density": "0.05", "selection": Selection(**chosen), "training": training}
    return TrialConfig(**whole | changes)


WAYS = {
    "sgd": {},
    "in the first step of an epoch": {"regrow": {"every": 7}},
    "in every other step": {"regrow": {"every": 2}},
    "adamw": {"training": {"optimizer": "adamw", "learning_rate": 1e-3, "warmup_epochs": 1}},
    "clipped": {"training": {"max_gradient_norm": 0.1}},
    "bfloat16": {"training": {"precision": "bfloat16"}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_trial_is_the_same_bit_for_bit(way):
    """From the middle of a training, between two changes, and from its end."""
    whole = Trial(config(**WAYS[way]))
    states = []
    masks = {whole.trainer.network.mask().sha256()}
    while not whole.done:
        whole.step()
        states.append(whole.state())
        masks.add(whole.trainer.network.mask().sha256())
    assert len(masks) > 2
    for state in (states[1], states[-1]):
        again = Trial(config(**WAYS[way]))
        again.load_state(state)
        while not again.done:
            again.step()
        assert again.artifact() == whole.artifact()
        assert [row.train_loss for row in again.history] == [row.train_loss for row in whole.history]
        differ = {name for name, fact in whole.facts.items() if again.facts[name] != fact}
        assert differ <= {"seconds"}


def test_a_state_with_places_that_do_not_fit_is_refused(refused):
    trial = Trial(config())
    trial.step()
    for wrong in ([0], [0, 0], [1, 0], [0, 10**6]):
        state = {**trial.trainer.state(), "places": dict(trial.trainer.network.places)}
        assert trial.trainer.fits(state)
        state["places"]["fc1.weight"] = torch.tensor(wrong)
        assert not trial.trainer.fits(state)
    other = Trial(config(selection={"scope": "global"}))
    with refused("another configuration"):
        other.load_state(trial.state())


def test_facts_and_artefact_speak_of_both_masks():
    trial = Trial(config(test=True))
    while not trial.done:
        trial.step()
    facts, mask = trial.facts, trial.trainer.network.mask()
    start = Trial(config()).trainer.network.mask()
    assert facts["mask_sha256"] == start.sha256() != facts["final_mask_sha256"] == mask.sha256()
    assert facts["layer_densities"] == mask.densities() == start.densities()
    assert facts["grown_weights"] == sum(int((mask[name] & ~start[name]).sum()) for name in mask) > 0
    assert facts["final_connectivity"]["kept"] == facts["connectivity"]["kept"] == mask.kappa
    assert facts["final_connectivity"]["live_weights"] != facts["connectivity"]["live_weights"]
    assert facts["manifest"]["regrow"] == {"every": 4, "fraction": 0.5, "until": 0.75}
    loaded = load_artifact(trial.artifact())
    assert loaded.header.mask_sha256 == mask.sha256()
    assert fingerprint(loaded.model) == fingerprint(trial.trainer.network.model)
    plain = Trial(config().changed(selection=Selection(target="random", scope="erk")))
    assert "final_mask_sha256" not in plain.facts
    assert "regrow" not in plain.facts["manifest"]
    # 5 of 28 steps compute the gradients of all weights.
    costs, fixed = facts["accounting"], plain.facts["accounting"]
    assert costs["inference_multiply_adds"] == fixed["inference_multiply_adds"]
    more = costs["training_multiply_adds"] - fixed["training_multiply_adds"]
    assert more == pytest.approx(5 / 28 * (mask.size - mask.kappa), abs=2)


def test_a_disconnected_network_is_trained_since_growth_connects_it():
    """Five weights in each layer."""
    moving = {"fraction": 1, "until": 1}
    trial = Trial(config(density="0.0003", selection={"scope": "balanced"}, regrow=moving))
    assert trial.facts["connectivity"]["collapsed"] is True
    while not trial.done:
        trial.step()
    assert trial.status == "finished"
    assert trial.facts["final_connectivity"]["collapsed"] is False


def test_with_probes_and_with_all_weights_kept():
    trial = Trial(config(training={"probes": True, "epochs": 2}, regrow={"every": 2}, density="1"))
    while not trial.done:
        trial.step()
    assert trial.facts["final_mask_sha256"] == trial.facts["mask_sha256"]
    assert trial.facts["grown_weights"] == 0
    assert trial.metrics.gradient_norms.keys() == trial.facts["layer_densities"].keys()


@pytest.mark.parametrize("arm", ["freeze", "freeze_wd"])
def test_only_pruned_networks_grow(arm):
    with pytest.raises(ValueError, match=f"regrow with arm '{arm}'.*write arm='prune'"):
        TrialConfig(arm=arm, selection=Selection(target="snip", regrow=Regrow()))


def test_the_size_of_dense_gradients():
    assert FreezeNet(network(), random_mask(network()), PRUNED).dense_bytes == 8 * (40 * 7 + 7 * 7 + 7 * 3)


def test_names():
    assert config().method == "prune random, ERK, RigL"
    assert config().detailed_method == "prune random, ERK, RigL 0.5 every 4 steps until 0.75"
    usual = Selection(target="snip", ablation="shuffle", regrow=Regrow())
    assert usual.detailed_method == usual.method == "snip, shuffled, RigL"


def test_a_mask_that_is_not_fixed_before_training_is_marked():
    fixed, trained = Selection(target="snip"), Selection(target="snip", at="trained")
    assert [each.before_training for each in (fixed, trained, config().selection)] == [True, False, False]
    caveats = [config().changed(selection=each).caveat for each in (fixed, trained, config().selection)]
    assert caveats == ["", "not before training", "not before training"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (100, "does not say how.*Regrow"),
        ({"every": 1}, "greater than or equal to 2"),
        ({"fraction": 0}, "greater than 0"),
        ({"until": 1.1}, "less than or equal to 1"),
        ({"evry": 5}, "did you mean 'every'"),
    ],
)
def test_wrong_values_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Selection(target="snip", regrow=wrong)


def test_the_input_error_is_one_line():
    with pytest.raises(InputError) as caught:
        check_changes(Regrow(), 1)
    assert "\n" not in str(caught.value)
