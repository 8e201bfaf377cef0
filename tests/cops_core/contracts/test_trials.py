"""Before a study, each network, score and arm is tried on its own data: what does not work is named."""

from decimal import Decimal

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from cops_core.arms import Scale
from cops_core.artifact.fingerprint import fingerprint
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.contracts import agreement, arms
from cops_core.contracts.agreement import check_training
from cops_core.contracts.network_use import network_uses, unusable_score, way_to_train
from cops_core.contracts.oracle import dense_training
from cops_core.contracts.small_data import SEED, SmallNetwork
from cops_core.contracts.trials import _kinds, check_network
from cops_core.data import ImageData, load_data
from cops_core.initialization import initial_network
from cops_core.mask import Mask
from cops_core.masked.kept_weights import KeptWeights
from cops_core.models import MODELS
from cops_core.optimizers import build_optimizer
from cops_core.scores import SCORES, Member

ARMS = ("dense", "prune", "freeze", "freeze_wd")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load_data("digits", tmp_path_factory.mktemp("data"))


@pytest.fixture
def found(digits, monkeypatch):
    """What the check says of a network, given as a class with shape and classes."""

    def check(build, scores=("snip", "magnitude"), arms=ARMS, rounds=1, data=digits, say=print, **fields):
        monkeypatch.setitem(MODELS, "mine", build)
        configs = [
            TrialConfig(model="mine", arm=arm, selection=selection, **fields)
            for arm in arms
            for selection in (
                [None] if arm == "dense" else [Selection(target=score, rounds=rounds) for score in scores]
            )
        ]
        (use,) = network_uses(configs)
        return check_network(use, data, {}, say)

    return check


class Wide(nn.Module):
    """Its second layer is large enough for sparse products; subclasses use it in other ways."""

    def __init__(self, shape, classes):
        super().__init__()
        channels, height, width = shape
        self.first = nn.Linear(channels * height * width, 200)
        self.second = nn.Linear(200, 60, bias=False)
        self.head = nn.Linear(60, classes)

    def forward(self, images):
        return self.head(self.hidden(torch.relu(self.first(images.flatten(1)))))

    def hidden(self, features):
        return torch.relu(self.second(features))


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_a_network_that_works_passes_with_every_score_and_arm(found, precision):
    checks = found(Wide, tuple(SCORES), rounds=2, training=Training(precision=precision))
    assert (checks.failures, checks.unusable) == ([], [])


def test_a_network_of_the_project_passes(found):
    assert found(MODELS["lenet_300_100"]).failures == []


def test_images_that_are_too_small_for_a_network_are_a_failure(found):
    (line,) = found(MODELS["lenet_5_caffe"]).failures
    assert "16 x 16" in line


class Dropout(Wide):
    def hidden(self, features):
        return functional.dropout(super().hidden(features), 0.5, self.training)


class Normalised(Wide):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.norm = nn.BatchNorm1d(60)

    def hidden(self, features):
        return torch.relu(self.norm(self.second(features)))


class Signs(Wide):
    """A threshold amplifies rounding: float64 decides."""

    def hidden(self, features):
        hidden = super().hidden(features)
        return hidden + (hidden.round(decimals=5).sign() - hidden).detach()


@pytest.mark.parametrize("build", [Normalised, Signs])
def test_what_is_unusual_but_right_passes(found, build):
    assert found(build).failures == []


class TooFew(Wide):
    def forward(self, images):
        return super().forward(images)[:, 1:]


class Coupled(Wide):
    def forward(self, images):
        logits = super().forward(images)
        return logits - logits.mean(0)


class Counting(Wide):
    """Keeps something outside of its parameters and buffers."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.calls = 0

    def hidden(self, features):
        self.calls += self.training
        return super().hidden(features) / (1 + self.calls)


class Infinite(Wide):
    def forward(self, images):
        return super().forward(images) / 0


class WithoutLayers(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(classes))

    def forward(self, images):
        return images.flatten(1)[:, :10] + self.bias


class Resetting(Wide):
    """Reads and writes its weights itself."""

    def hidden(self, features):
        with torch.no_grad():
            self.second.weight.mul_(0.9)
        return super().hidden(features)


@pytest.mark.parametrize(
    ("build", "part"),
    [
        (TooFew, "shape (6, 9), not (6, 10)"),
        (Coupled, "other images of a batch"),
        (Counting, "resumed from its state"),
        (Infinite, "not finite"),
        (WithoutLayers, "no convolution or linear layer"),
        (Resetting, ""),
        (lambda shape, classes: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_networks_name(found, build, part):
    failures = found(build).failures
    assert failures
    for line in failures:
        assert line.startswith("mine on digits")
        assert part in line
        assert "\n" not in line


def test_the_oracle_finds_weights_that_are_one_step_old(found, monkeypatch):
    monkeypatch.setattr(KeptWeights, "written", lambda kept, v: kept._dense.detach())
    failures = found(Wide, arms=("prune", "freeze")).failures
    assert any("dense copy" in line for line in failures), failures


class InFloat32(Normalised):
    """Cannot be compared in float64. The gradient of a bias before batch norm is nothing but rounding."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.second = nn.Linear(200, 60)

    def forward(self, images):
        return super().forward(images.float()).float()


WAYS = {
    "sgd, nesterov": {"nesterov": True},
    "adamw": {"optimizer": "adamw", "betas": (0.8, 0.95)},
    "sgd, label smoothing": {"label_smoothing": 0.1},
    "adamw, label smoothing, clipped": {
        "optimizer": "adamw",
        "label_smoothing": 0.1,
        "max_gradient_norm": 5.0,
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_arms_are_checked_with_the_training_that_they_have(found, way, monkeypatch):
    training = Training(**WAYS[way])
    assert way_to_train(training) == way
    arms = ("dense", "prune", "freeze_wd")
    for build in (Wide, InFloat32):
        assert found(build, scores=("magnitude",), arms=arms, training=training).failures == []
    # Without what the training says, it is another training.
    plain = Training(precision=training.precision, learning_rate=0.002)
    monkeypatch.setattr(
        agreement, "build_optimizer", lambda p, _, fused: build_optimizer(p, plain, fused=fused)
    )
    step = agreement.train_step
    monkeypatch.setattr(agreement, "train_step", lambda n, o, _, *batch: step(n, o, plain, *batch))
    failures = found(Wide, scores=("magnitude",), arms=("freeze",), training=training).failures
    assert any(f"mine on digits, arm 'freeze' with {way}: " in line for line in failures), failures


def test_of_a_large_network_each_arm_and_each_way_to_train_it_is_checked_once():
    selection = Selection(target="snip")
    trainings = [Training(), Training(batch_size=7), *(Training(**way) for way in WAYS.values())]
    configs = [
        TrialConfig(arm=arm, selection=None if arm == "dense" else selection, training=training)
        for training in trainings
        for arm in ("dense", "prune", "freeze", "freeze_wd")
    ]
    (use,) = network_uses(configs)
    assert len(use.arms) == 4 * 5
    found = [(config.arm, way_to_train(config.training)) for config in _kinds(use)]
    assert len(found) == 4 + 4
    assert {way for _, way in found} == {"sgd", *WAYS}
    assert {arm for arm, _ in found} == {"dense", "prune", "freeze", "freeze_wd"}


class FirstDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient


class Once(Wide):
    """No score with second derivatives can be computed."""

    def hidden(self, features):
        return FirstDerivative.apply(super().hidden(features))


class Checkpointed(Wide):
    def hidden(self, features):
        return checkpoint(super().hidden, features, use_reentrant=True)


@pytest.mark.parametrize("build", [Once, Checkpointed])
def test_a_score_that_cannot_be_computed_is_named_and_the_others_are_used(found, build):
    checks = found(build, scores=("snip", "grasp", "magnitude"), arms=("freeze",))
    assert checks.failures == []
    names = {unusable["score"] for unusable in checks.unusable}
    assert "grasp" in names
    assert "magnitude" not in names
    for unusable in checks.unusable:
        assert unusable["score"] in unusable["reason"]


def test_if_no_score_can_be_computed_the_network_is_refused(found):
    checks = found(Once, scores=("grasp",), arms=("dense", "freeze"))
    assert any("grasp" in line for line in checks.failures)


def test_trials_with_an_unusable_score_are_known_by_target_and_controls(found):
    checks = found(Once, scores=("snip", "grasp"), arms=("freeze",))

    def known(**selection):
        return unusable_score(
            TrialConfig(model="mine", arm="freeze", selection=Selection(**selection)), checks.unusable
        )

    assert known(target="grasp")["score"] == "grasp"
    assert known(target="snip", controls=[Control(score="grasp", level=0.1)])["score"] == "grasp"
    assert known(target="snip") is None
    other = TrialConfig(model="lenet_300_100", arm="freeze", selection=Selection(target="grasp"))
    assert unusable_score(other, checks.unusable) is None
    assert unusable_score(TrialConfig(model="mine"), checks.unusable) is None


def test_configurations_that_differ_in_numbers_only_are_one_use():
    members = [Member(functional="loss", p=1, r=power) for power in (0.5, 1.5)]
    selections = [Selection(target=member, samples_per_class=n) for n, member in enumerate(members, start=1)]
    configs = [TrialConfig(arm="freeze", selection=selection, density="0.1") for selection in selections]
    configs += [config.changed(density="0.2", seed=3) for config in configs]
    (one,) = network_uses(configs)
    (other,) = network_uses(configs[:1])
    assert one.key == other.key
    assert len(network_uses([*configs, TrialConfig(model="lenet_5_caffe")])) == 2


def test_the_oracle_is_freezenet_by_hand(digits):
    torch.manual_seed(0)
    model = nn.Linear(2, 2, bias=False)
    images, labels = torch.tensor([[1.0, -1.0]]), torch.tensor([0])
    theta0 = model.weight.detach().clone()
    gradient = torch.autograd.grad(functional.cross_entropy(model(images), labels), model.weight)[0]

    mask = Mask({"weight": torch.tensor([[True, False], [False, True]])})
    training = Training(learning_rate=0.5, momentum=0.0, weight_decay=0.0)
    trained = dense_training(model, mask, Scale(1.0), training, [(images, labels)], seed=0)
    expected = torch.where(mask["weight"], theta0 - 0.5 * gradient, theta0)
    assert torch.allclose(trained.weight, expected)


@pytest.fixture(scope="module")
def images():
    """Images of 32 x 32 pixels: large networks are tried on smaller ones if they accept them."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 1, 32, 32), generator=generator).to(torch.uint8)
    labels = torch.arange(40) % 10
    return ImageData(
        name="noise",
        classes=10,
        train_images=pixels,
        train_labels=labels,
        test_images=pixels,
        test_labels=labels,
    )


class Large(nn.Module):
    """More than a million parameters; images may have any size."""

    def __init__(self, shape, classes):
        super().__init__()
        self.conv = nn.Conv2d(shape[0], 64, 3, padding=1)
        self.norm = nn.BatchNorm2d(64)
        self.first = nn.Linear(64 * 16, 1000)
        self.head = nn.Linear(1000, classes)
        self.sizes = []

    def forward(self, images):
        self.sizes.append(images.shape[-1])
        features = functional.adaptive_avg_pool2d(torch.relu(self.norm(self.conv(images))), 4)
        return self.head(self.hidden(torch.relu(self.first(features.flatten(1)))))

    def hidden(self, features):
        return features


class OneSize(Large):
    """Accepts images of its own size only."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.size = shape[-1]

    def forward(self, images):
        assert images.shape[-1] == self.size
        return super().forward(images)


class OneSizeInTraining(Large):
    """Like batch norm, which accepts in eval mode what it refuses in train mode."""

    def forward(self, images):
        assert images.shape[-1] == 32 or not self.training
        return super().forward(images)


class WrongWhenSmall(Large):
    """Has no gradients for small images, although it accepts them."""

    def forward(self, images):
        logits = super().forward(images)
        return logits.detach().requires_grad_() * 0 if images.shape[-1] < 32 else logits


class LargeOnce(Large):
    def hidden(self, features):
        return FirstDerivative.apply(features)


class LargeResetting(Large):
    def hidden(self, features):
        with torch.no_grad():
            self.head.weight.mul_(0.9)
        return features


class LargeCounting(Large):
    def hidden(self, features):
        self.calls = getattr(self, "calls", 0) + self.training
        return features / (1 + self.calls)


@pytest.mark.parametrize("build", [Large, OneSize, OneSizeInTraining, WrongWhenSmall])
def test_a_large_network_passes_whatever_sizes_it_accepts(found, images, build):
    checks = found(build, tuple(SCORES), rounds=2, data=images)
    assert (checks.failures, checks.unusable) == ([], [])


def test_a_large_network_is_tried_on_images_of_its_own_size_and_smaller_ones(found, images):
    built = []

    def build(shape, classes):
        built.append(Large(shape, classes))
        return built[-1]

    found(build, data=images)
    sizes = [size for model in built for size in model.sizes]
    assert {16, 32} == set(sizes)
    assert sizes.count(32) < sizes.count(16)


@pytest.mark.parametrize(("build", "part"), [(LargeResetting, "mine on digits"), (LargeCounting, "resumed")])
def test_what_is_wrong_with_a_large_network_is_found(found, images, build, part):
    failures = found(build, data=images).failures
    assert any(part in line for line in failures)


def test_a_score_that_a_large_network_does_not_support_is_found(found, images):
    checks = found(LargeOnce, scores=("snip", "grasp"), data=images)
    assert checks.failures == []
    assert [unusable["score"] for unusable in checks.unusable] == ["grasp"]


def test_before_a_check_that_takes_seconds_a_line_says_what_is_done(found, images):
    lines = []
    found(Large, data=images, say=lines.append)
    (line,) = lines
    assert "mine on digits" in line
    for part in ("1,035,778 parameters", "snip", "magnitude", "prune", "freeze_wd"):
        assert part in line
    found(Wide, say=lines.append)
    assert len(lines) == 1


@pytest.mark.parametrize("build", [Wide, Large])
def test_arms_are_tried_with_and_without_sparse_products(found, images, monkeypatch, build):
    densities = []

    def check(build, mask, *rest, **options):
        densities.append(round(mask.kappa / mask.size, 1))
        check_training(build, mask, *rest, **options)

    monkeypatch.setattr(arms, "check_training", check)
    assert found(build, data=images).failures == []
    assert set(densities) == {0.1, 0.5}


def test_networks_that_are_checked_have_the_initial_values_of_their_trials(images):
    MODELS["mine"] = Large
    try:
        network = SmallNetwork(TrialConfig(model="mine"), images, {})
        model, theta0 = initial_network("mine", images.shape, 10, SEED)
        assert network.theta0_sha256 == theta0
        for built in (network.built, network.build(), network.build()):
            assert fingerprint(built) == fingerprint(model)
        mask = network.mask(Decimal("0.1"))
        assert mask.kappa / mask.size == pytest.approx(0.1, rel=0.05)
        assert mask.sha256() == network.mask(Decimal("0.1")).sha256()
    finally:
        del MODELS["mine"]
