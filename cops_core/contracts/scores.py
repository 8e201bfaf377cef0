"""The contract of scores (see `cops_core.scores.base`), checked with small networks.

Each check takes the name of a score in `SCORES` or a member of the family, and usually the name of a network
in `NETWORKS`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cops_core.contracts.base import Check, each, require
from cops_core.contracts.networks import NETWORKS, batch, build
from cops_core.contracts.probes import ProbeError, same, unchanged_model, with_probe
from cops_core.errors import InputError, listed
from cops_core.mask import Mask, Scores
from cops_core.prunable import maskable
from cops_core.scores import OWN_SCORES, AnyScore, compute_scores, find_score, published_rounds
from cops_core.scores.base import MAX_ROUNDS, Traits
from cops_core.scores.problem import pose

# Without layers that couple the samples of a batch, or draw.
SEPARATE = ("plain", "rectified", "tied")
NORMALISED = tuple(name for name in NETWORKS if "norm" in name or name == "residual")


def traits_are_complete(score: AnyScore) -> None:
    """The traits are a `Traits` with the values that its docstring allows."""
    traits = find_score(score).traits
    require(isinstance(traits, Traits), f"traits are {type(traits).__name__}, not Traits")
    require(traits.normalisation in ("train", "eval", "unused"), f"normalisation is {traits.normalisation!r}")
    require(traits.precision in ("model", "float64"), f"precision is {traits.precision!r}")


def published_rounds_are_a_number(score: AnyScore) -> None:
    """`published_rounds` is a number of rounds that a configuration accepts."""
    rounds: object = published_rounds(score)
    require(
        isinstance(rounds, int) and 1 <= rounds <= MAX_ROUNDS,
        f"published_rounds is {rounds!r}: write an integer in [1, {MAX_ROUNDS}]",
    )


def keys_and_shapes_are_the_weights(score: AnyScore, network: str) -> None:
    """There is a tensor for each maskable weight, by its name, of the weight's shape."""
    model = build(network)
    weights, values = maskable(model), _returned(score, model)
    require(isinstance(values, Mapping), f"returns {type(values).__name__}, not a dict of tensors")
    require(
        values.keys() == weights.keys(),
        f"scores [{listed(map(repr, values))}], not [{listed(map(repr, weights))}]",
    )
    for name, weight in weights.items():
        require(
            values[name].shape == weight.shape,
            f"shape {tuple(values[name].shape)} of {name}, not {tuple(weight.shape)}",
        )


def values_are_detached_and_unshared(score: AnyScore, network: str) -> None:
    """The values are detached, share memory with no other tensor, and have the precision of the traits."""
    model = build(network)
    values = _returned(score, model)
    theirs = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    expected = torch.float64 if find_score(score).traits.precision == "float64" else torch.float32
    for name, value in values.items():
        require(not value.requires_grad, f"{name} is not detached")
        require(value.untyped_storage().data_ptr() not in theirs, f"{name} is a view of the model")
        require(value.dtype == expected, f"{name} is {value.dtype}, the traits say {expected}")
    memory = {value.untyped_storage().data_ptr() for value in values.values()}
    require(len(memory) == len(values), "two layers share memory")


def values_rank_something(score: AnyScore, network: str) -> None:
    """The values are finite, not negative unless signed, and not all zero."""
    values = _returned(score, build(network))
    for name, value in values.items():
        require(bool(value.isfinite().all()), f"is not finite in {name}")
        require(
            find_score(score).traits.signed or bool((value >= 0).all()), f"{name} is negative, not signed"
        )
    require(any(bool(value.any()) for value in values.values()), "every value is zero")


def same_values_at_every_call(score: AnyScore, network: str) -> None:
    """The values depend only on the problem, not on the global random state."""
    with torch.random.fork_rng():
        first = _scored(score, build(network))
        torch.rand(3)
        require(same(first, _scored(score, build(network))), "a second call gives different values")


def other_scores_in_the_call_do_not_matter(score: AnyScore, network: str) -> None:
    """The values, and those of the project's scores, are the same if computed in one call."""
    model = build(network)
    # The project's own: another score of the same plugin may be broken.
    order = list(dict.fromkeys([score, *OWN_SCORES[::-1]]))
    together = compute_scores(order, model, batch(), seed=1)
    require(list(together) == order, f"scores are returned as {list(together)}, requested as {order}")
    for name in together:
        equal = same(together[name], _scored(name, model))
        require(equal, f"the values of {name} differ if computed with other scores")


def model_is_unchanged(score: AnyScore, network: str) -> None:
    """Weights, buffers, gradients, modes and the global random states are unchanged afterwards."""
    model = build(network)
    with unchanged_model(model):
        _scored(score, model)


def model_is_unchanged_after_an_error(score: AnyScore, network: str, at: str) -> None:
    """The same if the network raises an error; with normalisation "unused" the network is not run."""
    model = with_probe(build(network), at)
    unused = find_score(score).traits.normalisation == "unused"
    with unchanged_model(model):
        raised = _raises(score, model)
    require(not (unused and raised), f'runs the network {at}, the traits say normalisation "unused"')
    require(unused or raised, f"does not run the network {at}, or hides its error")


def second_derivatives_match_the_traits(score: AnyScore) -> None:
    """The network is differentiated twice if and only if the traits say so."""
    raised = _raises(score, with_probe(build("plain"), "second"))
    stated = find_score(score).traits.needs_second_derivative
    require(raised is stated, f"needs_second_derivative is {stated} in the traits, but {raised} in fact")


def cudnn_switches_are_unchanged(score: AnyScore) -> None:
    """cuDNN's switches are unchanged afterwards."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False):
        _scored(score, build("plain"))
        left = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    require(left == (False, True), f"leaves cuDNN's (deterministic, benchmark) at {left}")


def settings_of_the_caller_do_not_matter(score: AnyScore) -> None:
    """The values are the same in eval mode, without gradients and under autocast."""
    expected = _scored(score, build("batch_norm"))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        ours = _scored(score, build("batch_norm").eval())
    require(same(expected, ours), "the caller's mode, no_grad or autocast changes the values")


def threads_do_not_matter(score: AnyScore, network: str) -> None:
    """The values are the same with one thread and with two, up to rounding."""
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(_scored(score, build(network, torch.float64)))
    finally:
        torch.set_num_threads(threads)
    one, two = results
    _require_close(one, two, "with two threads")


def order_of_the_batch_does_not_matter(score: AnyScore, network: str) -> None:
    """The values are the same for every order of the batch, up to rounding."""
    images, labels = batch()
    model = build(network, torch.float64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    straight = _scored(score, model)
    shuffled = compute_scores([score], model, (images[order], labels[order]), seed=1)[score]
    _require_close(straight, shuffled, "in another order of the batch")


def several_batches_count_as_one(score: AnyScore, network: str) -> None:
    """Two batches of the same size have the values of all their samples together, if averages_batches."""
    if not find_score(score).averages_batches:
        return
    images, labels = batch()
    model = build(network, torch.float64)
    half = len(labels) // 2
    halves = [(images[:half], labels[:half]), (images[half:], labels[half:])]
    ours = compute_scores([score], model, halves, seed=1)[score]
    _require_close(_scored(score, model), ours, "in two batches")


def needs_data_matches_the_traits(score: AnyScore) -> None:
    """Other images and labels give other values if and only if the traits say so."""
    images, labels = batch()
    model = build("plain")
    other = compute_scores([score], model, (images.flip(1) + 1, labels.roll(1)), seed=1)[score]
    stated, needed = find_score(score).traits.needs_data, not same(_scored(score, model), other)
    require(stated is needed, f"needs_data is {stated} in the traits, but {needed} in fact")


def normalisation_matches_the_traits(score: AnyScore, network: str) -> None:
    """The running statistics matter if and only if the traits' normalisation is "eval"."""
    model = build(network)
    before = _scored(score, model)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.mul_(2)
    matter = not same(before, _scored(score, model))
    stated = find_score(score).traits.normalisation
    require(matter is (stated == "eval"), f"normalisation is {stated!r}, running statistics matter: {matter}")


def masked_is_zeroed(score: AnyScore, network: str) -> None:
    """A masked network is scored like a network whose removed weights are zero."""
    masked, zeroed = build(network), build(network)
    mask = _half(masked)
    with torch.no_grad():
        for name, weight in maskable(zeroed).items():
            weight.mul_(mask[name])
    ours = compute_scores([score], masked, batch(), seed=1, mask=mask)[score]
    require(same(ours, _scored(score, zeroed)), "a mask gives other values than zeros in its place")


def empty_mask_is_scored(score: AnyScore, network: str) -> None:
    """A network whose mask keeps no weight has scores."""
    model = build(network)
    mask = Mask({name: torch.zeros(w.shape, dtype=torch.bool) for name, w in maskable(model).items()})
    compute_scores([score], model, batch(), seed=1, mask=mask)


def mask_does_not_matter_where_network_is_unused(score: AnyScore, network: str) -> None:
    """With normalisation "unused", a kept weight's value does not depend on the rest of the mask."""
    model = build(network)
    mask = _half(model)
    if find_score(score).traits.normalisation == "unused":
        whole = _scored(score, model)
        masked = compute_scores([score], model, batch(), seed=1, mask=mask)[score]
        for name, kept in mask.items():
            require(
                torch.equal(whole[name][kept], masked[name][kept]),
                f'{name} depends on the mask, the traits say normalisation "unused"',
            )


def gpu_gives_the_same_values(score: AnyScore, network: str) -> None:
    """On a GPU the values are there, equal the CPU's up to rounding, and the model is unchanged."""
    model = build(network, torch.float64)
    expected = _scored(score, model)
    model = model.cuda()
    with unchanged_model(model):
        ours = _scored(score, model)
    require(all(value.is_cuda for value in ours.values()), "values of a model on the GPU are on the CPU")
    _require_close(expected, {name: value.cpu() for name, value in ours.items()}, "on the GPU")


EVERY_NETWORK = each(*NETWORKS)
SCORE_CHECKS: tuple[Check, ...] = (
    Check(traits_are_complete),
    Check(published_rounds_are_a_number),
    Check(keys_and_shapes_are_the_weights, EVERY_NETWORK),
    Check(values_are_detached_and_unshared, EVERY_NETWORK),
    Check(values_rank_something, EVERY_NETWORK),
    Check(same_values_at_every_call, EVERY_NETWORK),
    Check(other_scores_in_the_call_do_not_matter, EVERY_NETWORK),
    Check(model_is_unchanged, EVERY_NETWORK),
    Check(
        model_is_unchanged_after_an_error,
        tuple((network, at) for network in ("batch_norm", "dropout") for at in ("forward", "backward")),
    ),
    Check(second_derivatives_match_the_traits),
    Check(cudnn_switches_are_unchanged),
    Check(settings_of_the_caller_do_not_matter),
    Check(threads_do_not_matter, EVERY_NETWORK),
    Check(order_of_the_batch_does_not_matter, EVERY_NETWORK),
    Check(several_batches_count_as_one, each(*SEPARATE)),
    Check(needs_data_matches_the_traits),
    Check(normalisation_matches_the_traits, each(*NORMALISED)),
    Check(masked_is_zeroed, EVERY_NETWORK),
    Check(empty_mask_is_scored, EVERY_NETWORK),
    Check(mask_does_not_matter_where_network_is_unused, EVERY_NETWORK),
)
GPU_CHECKS: tuple[Check, ...] = (Check(gpu_gives_the_same_values, EVERY_NETWORK),)


def _scored(score: AnyScore, model: nn.Module) -> dict[str, Tensor]:
    """The score's values of `model` on the batch."""
    return compute_scores([score], model, batch(), seed=1)[score]


def _returned(score: AnyScore, model: nn.Module) -> Scores:
    """What the score itself returns for `model` on the batch, before it is checked."""
    return find_score(score).compute(pose(model, batch(), seed=1))


def _half(model: nn.Module) -> Mask:
    """A mask that keeps about half of the weights."""
    generator = torch.Generator().manual_seed(0)
    return Mask({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in maskable(model).items()})


def _raises(score: AnyScore, model: nn.Module) -> bool:
    """Whether scoring reaches the model's probe."""
    try:
        _scored(score, model)
    except InputError as error:
        if isinstance(error.__cause__, ProbeError):
            return True
        raise
    return False


def _require_close(expected: Scores, ours: Scores, where: str) -> None:
    """Equal to 1e-9 relative."""
    for name, value in expected.items():
        close = value.shape == ours[name].shape and torch.allclose(value, ours[name], rtol=1e-9, atol=1e-14)
        require(close, f"{name} has different values {where}")
