import math
from decimal import Decimal

import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.augmentation import crop_flip
from cops_core.config import Training
from cops_core.construction import construct
from cops_core.data import Part, Split, split
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.optimizers import SCHEDULES
from cops_core.streams import stream
from cops_core.train import DTYPES, EpochMetrics, Trainer, batch_sizes, evaluate

RATE = 0.2


@pytest.fixture(scope="module")
def parts(make_data) -> Split:
    return split(make_data(), 0, Decimal("0.1"))  # 54 training images, 6 for validation


def small_network(dtype: torch.dtype = torch.float32) -> FreezeNet:
    model = construct(lambda: nn.Sequential(nn.Flatten(), nn.Linear(40, 3)), (40, 1, 1), 0)
    initialize(model, 0)
    return FreezeNet(model.to(dtype), None)


def trainer(parts: Split, seed: int = 0, **training) -> Trainer:
    settings = Training(**{"learning_rate": RATE, "batch_size": 10} | training)
    return Trainer(small_network(DTYPES[settings.precision]), parts, settings, seed)


STEPS = 4 * 6  # four epochs of six batches, the last of four images

CLOSED_FORMS = {
    "constant": lambda step: RATE,
    "step": lambda step: RATE * 0.5 ** (step // 7),
    "cosine": lambda step: RATE / 2 * (1 + math.cos(math.pi * step / STEPS)),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_follow_the_closed_form(parts, schedule):
    training = trainer(parts, epochs=4, schedule=schedule, step_every=7, step_factor=0.5)
    rates = []
    training.optimizer.register_step_pre_hook(
        lambda *_: rates.append(training.optimizer.param_groups[0]["lr"])
    )
    ends = [training.run_epoch().learning_rate for _ in range(4)]
    closed_form = CLOSED_FORMS[schedule]
    assert rates == pytest.approx([closed_form(step) for step in range(STEPS)], rel=1e-9)
    assert ends == pytest.approx([closed_form(6 * epoch) for epoch in (1, 2, 3, 4)], rel=1e-9, abs=1e-15)


def test_an_epoch_is_sgd_over_each_image_once(parts):
    """Against the loop written out: the batches in their seeded order, torch's SGD, the mean loss."""
    ours = trainer(parts, seed=5, epochs=2, schedule="constant", momentum=0.9, weight_decay=0.01)
    seen = []
    ours.network.model.register_forward_pre_hook(
        lambda module, images: seen.append(images[0]) if module.training else None
    )
    reference = small_network().model
    optimizer = torch.optim.SGD(reference.parameters(), lr=RATE, momentum=0.9, weight_decay=0.01)
    for epoch in (1, 2):
        metrics = ours.run_epoch()
        total = 0.0
        for images in seen:
            places = [int((parts.train.images == image).all(dim=(1, 2, 3)).nonzero()) for image in images]
            loss = functional.cross_entropy(reference(images), parts.train.labels[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
        assert metrics.epoch == epoch
        assert metrics.train_loss == pytest.approx(total / 54, rel=1e-6)
        assert [len(images) for images in seen] == [10, 10, 10, 10, 10, 4]
        everything = torch.cat(seen).flatten(1)
        assert torch.equal(everything.sort(dim=0).values, parts.train.images.flatten(1).sort(dim=0).values)
        seen.clear()
    for name, weight in reference.state_dict().items():
        torch.testing.assert_close(ours.network.model.state_dict()[name], weight)


@pytest.mark.parametrize(
    ("images", "size", "expected"),
    [
        (54, 10, [10, 10, 10, 10, 10, 4]),
        (51, 10, [10, 10, 10, 10, 11]),
        (50, 10, [10] * 5),
        (11, 10, [11]),
        (9, 10, [9]),
        (1, 10, [1]),
        (3, 2, [3]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_single_image_left_over_joins_the_batch_before_it(images, size, expected):
    assert batch_sizes(images, size) == expected


def normed() -> FreezeNet:
    """A network that cannot train on a single image."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(40, 3), nn.BatchNorm1d(3))
    initialize(model, 0)
    return FreezeNet(model, None)


def test_batch_norm_trains_where_a_single_image_is_left_over(parts):
    """54 = 53 + 1 images: one step an epoch, by which the schedule goes too."""
    ours = Trainer(normed(), parts, Training(epochs=2, learning_rate=RATE, batch_size=53), 5)
    seen = []
    ours.network.model.register_forward_pre_hook(
        lambda module, images: seen.append(images[0]) if module.training else None
    )
    rates = [ours.run_epoch().learning_rate for _ in range(2)]
    assert rates == pytest.approx([RATE / 2, 0], abs=1e-15)
    assert [len(images) for images in seen] == [54, 54]
    assert torch.equal(seen[0].flatten(1).sort(dim=0).values, seen[1].flatten(1).sort(dim=0).values)
    assert int(ours.network.model[2].num_batches_tracked) == 2


def test_batches_of_one_image_are_refused_for_batch_norm_alone(parts, refused):
    with refused("batch norm cannot train on a single image: write a batch_size of 2 or more"):
        Trainer(normed(), parts, Training(batch_size=1), 0)
    assert len(trainer(parts, batch_size=1).sizes) == 54


def test_training_images_are_augmented_and_no_others(parts):
    """Against the augmentation of each batch in turn, drawn from the epoch's own stream."""
    ours = trainer(parts, seed=5, epochs=2, augmentation="crop_flip")
    plain = trainer(parts, seed=5, epochs=2)
    seen, originals = [], []
    for training, images in ((ours, seen), (plain, originals)):
        training.network.model.register_forward_pre_hook(
            lambda module, given, images=images: images.append((module.training, given[0]))
        )
        training.run_epoch()
        training.run_epoch()
    for epoch in (1, 2):
        draws = stream(5, "augmentation", epoch)
        of_epoch = slice(7 * epoch - 7, 7 * epoch)  # six batches of training, one of validation
        pairs = zip(seen[of_epoch], originals[of_epoch], strict=True)
        for (mode, images), (_, original) in pairs:
            expected = crop_flip(original, parts.black, draws) if mode else parts.validation.images
            assert torch.equal(images, expected)
            assert torch.equal(images, original) is not mode
    assert [mode for mode, _ in seen] == ([True] * 6 + [False]) * 2


def orders(parts: Split, seed: int) -> list[torch.Tensor]:
    """The images of two epochs in the order in which they were trained on."""
    ours, seen = trainer(parts, seed=seed), []
    ours.network.model.register_forward_pre_hook(
        lambda module, images: seen.append(images[0]) if module.training else None
    )
    ours.run_epoch()
    ours.run_epoch()
    return [torch.cat(seen[:6]), torch.cat(seen[6:])]


def test_the_order_is_the_seeds_and_each_epochs_own(parts):
    first, second = orders(parts, 0)
    torch.manual_seed(9)
    again = orders(parts, 0)
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])
    assert not torch.equal(first, second)
    assert not torch.equal(first, orders(parts, 1)[0])


def test_evaluation_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(2))
    images = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.0]]).reshape(4, 1, 1, 2)
    part = Part(images, torch.tensor([0, 1, 1, 0]))
    loss, accuracy = evaluate(FreezeNet(model, None), part)
    margins = [2, 1, -3, 0]
    assert loss == pytest.approx(sum(math.log(1 + math.exp(-m)) for m in margins) / 4, rel=1e-6)
    assert accuracy == 0.75


def test_evaluation_trains_nothing_and_uses_running_statistics(parts):
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(40, 3))
    network = FreezeNet(model, None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = evaluate(network, parts.validation)
    assert first == evaluate(network, parts.validation)
    one_by_one = [
        evaluate(network, Part(i[None], label[None]))
        for i, label in zip(parts.validation.images, parts.validation.labels, strict=True)
    ]
    assert first == pytest.approx([sum(column) / 6 for column in zip(*one_by_one, strict=True)], rel=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_training_after_evaluation_is_in_training_mode(parts):
    ours = trainer(parts)
    modes = []
    ours.network.model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    ours.run_epoch()
    ours.run_epoch()
    assert modes == ([True] * 6 + [False]) * 2


def test_evaluation_sees_every_image_of_a_large_part(make_data):
    parts = split(make_data(train=4_501, shape=(2, 4, 5)), 0, Decimal("0.999"))
    network = small_network()
    _, accuracy = evaluate(network, parts.validation)
    right = network(parts.validation.images).argmax(dim=1) == parts.validation.labels
    assert len(parts.validation) == 4_496
    assert accuracy == right.double().mean().item()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_an_image_without_finite_logits_is_wrong(parts, broken):
    network = small_network()
    with torch.no_grad():
        network.model[1].bias[0] = broken
    loss, accuracy = evaluate(network, parts.validation)
    assert accuracy == 0.0
    assert not math.isfinite(loss)


def test_a_huge_learning_rate_diverges_without_an_error(parts):
    ours = trainer(parts, learning_rate=1e30)
    metrics = ours.run_epoch()
    assert metrics.diverged
    assert 0 <= metrics.validation_accuracy <= 1


def test_divergence_in_the_last_step_is_seen_too(parts):
    ours = trainer(parts, learning_rate=1e38, batch_size=1000)
    metrics = ours.run_epoch()
    assert math.isfinite(metrics.train_loss)
    assert not math.isfinite(metrics.validation_loss)
    assert metrics.diverged


def test_finite_losses_are_no_divergence(parts):
    metrics = trainer(parts).run_epoch()
    assert not metrics.diverged
    assert metrics.train_seconds > 0
    assert metrics.row() == {
        name: getattr(metrics, name) for name in EpochMetrics.__dataclass_fields__ if name != "gradient_norms"
    }


@pytest.mark.parametrize("precision", DTYPES)
def test_every_precision_learns(parts, precision):
    ours = trainer(parts, precision=precision, epochs=8)
    losses = [ours.run_epoch().train_loss for _ in range(8)]
    assert losses[-1] < losses[0] / 2
    assert {p.dtype for p in ours.network.trained.values()} == {DTYPES[precision]}


def test_precisions_differ_as_much_as_they_should(parts):
    losses = {name: trainer(parts, precision=name).run_epoch().train_loss for name in DTYPES}
    assert losses["float32"] == pytest.approx(losses["float64"], rel=1e-5)
    assert losses["float32"] != losses["float64"]
    assert losses["bfloat16"] == pytest.approx(losses["float64"], rel=5e-2)
    assert abs(losses["bfloat16"] / losses["float64"] - 1) > 1e-6


def test_bfloat16_computes_in_bfloat16_and_evaluates_so(parts):
    ours = trainer(parts, precision="bfloat16")
    seen = []
    ours.network.model.register_forward_hook(
        lambda module, _, logits: seen.append((module.training, logits.dtype))
    )
    ours.run_epoch()
    assert set(seen) == {(True, torch.bfloat16), (False, torch.bfloat16)}
