"""SynFlow and GraSP behind normalisation, attention, embeddings and recurrent layers."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from cops_core.contracts.probes import unchanged_model
from cops_core.errors import InputError
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import compute_scores

WIDTH, TOKENS, CLASSES = 4, 3, 2


def seeded(build, *args) -> nn.Module:
    """A network in float64 in which no value is one or zero."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = build(*args).double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape).double() / 2)
    return model


def synflow(model: nn.Module, inputs, **settings) -> dict[str, Tensor]:
    with unchanged_model(model):
        return compute_scores(["synflow"], model, None, seed=0, example=inputs, **settings)["synflow"]


def images() -> Tensor:
    return torch.randn(2, 3, 4, 4, dtype=torch.float64)


def tokens() -> Tensor:
    return torch.randn(2, TOKENS, 3, dtype=torch.float64)


def same(ours: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    assert len(ours) == len(others)
    for one, other in zip(ours.values(), others.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=0)


# --- An oracle: numbers in lists, for a layer norm, attention and a residual connection.


class Block(nn.Module):
    """Tokens, a norm, attention with a shortcut, another norm, the sum over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(3, WIDTH)
        self.first = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.second = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, signal: Tensor) -> Tensor:
        hidden = self.inside(signal)
        normal = self.first(hidden)
        mixed = functional.scaled_dot_product_attention(
            self.query(normal), self.key(normal), self.value(normal), is_causal=True
        )
        return self.head(self.second(hidden + mixed)).sum(1)


def times(matrix: list, vector: list) -> list:
    return [sum(abs(w) * x for w, x in zip(row, vector, strict=True)) for row in matrix]


def flow_by_hand(model: Block, sums: list) -> float:
    """R, in loops; `sums` are the constants that attention divides by: noted if it is empty, else read."""
    weights = {name: p.tolist() for name, p in model.named_parameters()}
    hidden = [times(weights["inside.weight"], [1.0] * 3) for _ in range(TOKENS)]
    gains = [[abs(g) for g in weights[f"{norm}.weight"]] for norm in ("first", "second")]
    normal = [[g * x for g, x in zip(gains[0], token, strict=True)] for token in hidden]
    query, key, value = (
        [times(weights[f"{kind}.weight"], token) for token in normal] for kind in ("query", "key", "value")
    )
    total, noted = 0.0, not sums
    for place in range(TOKENS):
        scores = [
            sum(q * k for q, k in zip(query[place], key[seen], strict=True)) / math.sqrt(WIDTH)
            for seen in range(place + 1)
        ]
        if noted:
            sums.append(sum(scores))
        mixed = [
            sum(score / sums[place] * value[seen][unit] for seen, score in enumerate(scores))
            for unit in range(WIDTH)
        ]
        out = [g * (x + m) for g, x, m in zip(gains[1], hidden[place], mixed, strict=True)]
        total += sum(times(weights["head.weight"], out))
    return total


def test_a_block_with_attention_is_its_paths_by_hand():
    """R is a polynomial of degree 3 in a weight at most, so the five-point stencil is exact."""
    model = seeded(Block)
    moving, sums = copy.deepcopy(model), []
    flow_by_hand(model, sums)
    ours = synflow(model, tokens())
    for name, weight in maskable(moving).items():
        values = weight.data
        with torch.no_grad():
            values.abs_()
        for place in range(values.numel()):
            at, start = {}, float(values.view(-1)[place])
            for step in (-2, -1, 1, 2):
                values.view(-1)[place] = start * (1 + 0.1 * step)
                at[step] = flow_by_hand(moving, sums)
            values.view(-1)[place] = start
            slope = (at[-2] - 8 * at[-1] + 8 * at[1] - at[2]) / 1.2
            assert float(ours[name].view(-1)[place]) == pytest.approx(slope, rel=1e-9)


# --- Conservation: what all flow passes carries all of R.


class RootMeanSquare(nn.Module):
    """As in Llama; `more` as in Gemma, whose gain is 1 + weight."""

    def __init__(self, width: int, more: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.more = more

    def forward(self, hidden: Tensor) -> Tensor:
        wide = hidden.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return (self.more + self.weight) * wide.to(hidden.dtype)


class ChannelsFirst(nn.Module):
    """A layer norm over the channels of images, by hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        mean = hidden.mean(1, keepdim=True)
        normal = (hidden - mean) / torch.sqrt((hidden - mean).pow(2).mean(1, keepdim=True) + 1e-6)
        return self.gain[:, None, None] * normal + self.shift[:, None, None]


class Permuted(nn.LayerNorm):
    """The same with torch's function."""

    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Normalize(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        return functional.normalize(hidden, dim=1)


NORMS = {
    "layer": lambda: nn.LayerNorm([4, 4, 4]),
    "group": lambda: nn.GroupNorm(2, 4),
    "instance": lambda: nn.InstanceNorm2d(4, affine=True),
    "without statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "rms": lambda: nn.RMSNorm(4),
    "rms by hand": lambda: RootMeanSquare(4),
    "rms by hand, 1 + weight": lambda: RootMeanSquare(4, more=1.0),
    "channels first": lambda: ChannelsFirst(4),
    "permuted": lambda: Permuted(4),
    "normalize": Normalize,
}


def convolutions(norm) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        norm(),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1),
        norm(),
        nn.LeakyReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


@pytest.mark.parametrize("norm", NORMS)
def test_behind_a_norm_each_layer_carries_all_of_the_flow(norm):
    scores = synflow(seeded(convolutions, NORMS[norm]), images())
    sums = torch.stack([layer.sum() for layer in scores.values()])
    assert sums[0] > 0
    torch.testing.assert_close(sums, sums[:1].expand(3), rtol=1e-9, atol=0)
    assert all(bool((layer > 0).all()) for layer in scores.values())


def test_a_norm_counts_as_its_gain():
    class Gain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 4, 4))
            self.bias = nn.Parameter(torch.ones(4, 4, 4))

        def forward(self, hidden: Tensor) -> Tensor:
            return hidden * self.weight.abs()

    normal, plain = seeded(convolutions, NORMS["layer"]), seeded(convolutions, Gain)
    same(synflow(normal, images()), synflow(plain, images()))


def test_norms_by_hand_are_those_of_torch():
    ours, theirs = (seeded(convolutions, NORMS[norm]) for norm in ("rms by hand", "rms"))
    same(synflow(ours, images()), synflow(theirs, images()))
    ours, theirs = (seeded(convolutions, NORMS[norm]) for norm in ("channels first", "permuted"))
    same(synflow(ours, images()), synflow(theirs, images()))


class Grouped(nn.Module):
    """A norm that no rule knows: over pairs of rows."""

    def forward(self, hidden: Tensor) -> Tensor:
        pairs = hidden.unflatten(2, (-1, 2))
        return (pairs / pairs.square().mean((3, 4), keepdim=True).sqrt()).flatten(2, 3)


class Inline(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self.first(hidden)
        return self.second(hidden / hidden.square().mean(-1, keepdim=True).sqrt())


def test_another_norm_is_refused():
    with pytest.raises(InputError, match=r"1 \(Grouped\), which normalises in a way of its own") as error:
        synflow(seeded(convolutions, Grouped), images())
    assert "\n" not in str(error.value)


def test_a_norm_without_a_module_is_refused():
    with pytest.raises(InputError, match=r"negative in first\.weight") as error:
        synflow(seeded(Inline), tokens())
    assert "write a norm of torch there" in str(error.value)


class Saturates(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        return (1000 * hidden).clamp(-1, 1)


def test_an_activation_that_saturates_is_not_a_norm():
    with pytest.raises(InputError, match=r"zero for every weight of 0\.weight"):
        synflow(nn.Sequential(nn.Linear(3, 4), Saturates(), nn.Linear(4, 2)), tokens())


# --- Attention.


class Layer(nn.Module):
    """torch's attention layer, with or without its weights as a result."""

    def __init__(self, weights: bool, mask: str) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.inside, self.head = nn.Linear(3, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.weights, self.mask = weights, mask

    def allowed(self) -> Tensor:
        kept = torch.ones(TOKENS, TOKENS, dtype=torch.bool)
        return kept.tril() if self.mask else kept

    def forward(self, signal: Tensor) -> Tensor:
        hidden = self.inside(signal)
        mask = ~self.allowed() if self.mask else None
        if self.mask == "infinite":
            mask = hidden.new_zeros(TOKENS, TOKENS).masked_fill(mask, -torch.inf)
        return self.head(self.mixed(hidden, mask)).sum(1)

    def mixed(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        return self.attention(hidden, hidden, hidden, attn_mask=mask, need_weights=self.weights)[0]


class ByHand(Layer):
    def mixed(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        own = self.attention
        query, key, value = (
            functional.linear(hidden, weight, bias).unflatten(-1, (2, -1)).transpose(1, 2)
            for weight, bias in zip(own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3), strict=True)
        )
        scores = query @ key.transpose(-2, -1) / math.sqrt(WIDTH / 2)
        scores = scores.masked_fill(~self.allowed(), torch.finfo(scores.dtype).min)
        return own.out_proj((torch.softmax(scores, -1) @ value).transpose(1, 2).flatten(2))


class InCheckpoint(Layer):
    def mixed(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        return checkpoint(super().mixed, hidden, mask, use_reentrant=False)


NAMES = ["attention.in_proj_weight", "attention.out_proj.weight", "inside.weight", "head.weight"]
ATTENTION = [
    (kind, weights, mask)
    for kind in (Layer, InCheckpoint)
    for weights in (True, False)
    for mask in ("", "boolean", "infinite")
]


@pytest.mark.parametrize(("kind", "weights", "mask"), ATTENTION)
def test_torchs_attention_is_attention_by_hand(kind, weights, mask):
    ours, theirs = seeded(kind, weights, mask), seeded(ByHand, weights, mask)
    scores = synflow(ours, tokens(), weight_names=NAMES)
    same(scores, synflow(theirs, tokens(), weight_names=NAMES))
    query, key, value = (part.sum() for part in scores[NAMES[0]].chunk(3))
    torch.testing.assert_close(query, key)
    torch.testing.assert_close(query, value)
    torch.testing.assert_close(value, scores["head.weight"].sum())


@pytest.mark.parametrize(("kind", "weights", "mask"), ATTENTION)
def test_grasp_through_attention_is_a_product_with_the_hessian(kind, weights, mask):
    model, plain = seeded(kind, weights, mask), seeded(ByHand, weights, mask)
    batch = tokens(), torch.tensor([0, 1])
    with unchanged_model(model):
        ours = compute_scores(["grasp"], model, batch, seed=0, weight_names=NAMES)["grasp"]
    theta = [dict(plain.named_parameters())[name] for name in ours]
    loss = functional.cross_entropy(plain(batch[0]) / 200, batch[1])
    gradients = torch.autograd.grad(loss, theta, create_graph=True)
    flow = sum(gradient.square().sum() for gradient in gradients) / 2
    for score, weight, product in zip(ours.values(), theta, torch.autograd.grad(flow, theta), strict=True):
        torch.testing.assert_close(score, weight * product, rtol=1e-6, atol=1e-12)


def test_twelve_layers_of_attention_do_not_overflow():
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True, activation="gelu")
    model = nn.Sequential(nn.Linear(3, 32), nn.TransformerEncoder(layer, 12), nn.Linear(32, 2))
    scores = synflow(model, tokens().float())
    assert all(bool(layer.isfinite().all()) for layer in scores.values())


# --- Indices, and batches that are no tensor.


class Language(nn.Module):
    """Two embeddings, a masked mean, and a head that shares its weight with the first embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(9, WIDTH), nn.Embedding(TOKENS, WIDTH)
        self.hidden, self.norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 9, bias=False)
        self.head.weight = self.words.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        embedded = self.words(input_ids) + self.places(torch.arange(TOKENS))
        hidden = functional.relu(self.hidden(embedded)) * attention_mask[..., None]
        return {"logits": self.head(self.norm(hidden)).sum(1)}


def test_ones_go_in_behind_embeddings():
    model = seeded(Language)
    example = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    scores = synflow(model, example)
    hidden, head = model.hidden.weight.detach().abs(), model.head.weight.detach().abs()
    gain = model.norm.weight.detach().abs()
    into = 2 * (head.sum(0) * gain)[:, None] * 2 * hidden  # two tokens; ones of two embeddings
    out = 2 * gain * 2 * hidden.sum(1) * head
    torch.testing.assert_close(scores["hidden.weight"], into)
    torch.testing.assert_close(scores["words.weight"], out)


def test_other_words_have_the_same_flow():
    model = seeded(Language)
    one, other = (
        synflow(model, {"input_ids": ids, "attention_mask": torch.ones(2, TOKENS)})
        for ids in (torch.zeros(2, TOKENS, dtype=torch.long), torch.full((2, TOKENS), 8))
    )
    same(one, other)


def test_an_embedding_has_no_flow_of_its_own():
    example = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    with pytest.raises(InputError, match=r"embedding places\.weight.*exclude it"):
        synflow(seeded(Language), example, weight_names=["places.weight", "hidden.weight"])


def test_bags_of_words():
    model = nn.Sequential(nn.EmbeddingBag(9, WIDTH), nn.Linear(WIDTH, 2))
    scores = synflow(model, torch.tensor([[1, 2, 3]]))
    torch.testing.assert_close(scores["1.weight"], model[1].weight.detach().abs().double())


# --- Where flow ends.


def test_flow_that_ends_is_refused_with_all_its_layers():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU6(), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight.fill_(100)
    with pytest.raises(InputError, match=r"zero for every weight of 0\.weight, 1\.weight:") as error:
        synflow(model, tokens().float())
    assert "saturates" in str(error.value)


def test_an_overflow_is_refused():
    layers = [nn.Linear(3, 3).double() for _ in range(3)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(1e120)
    with pytest.raises(InputError, match=r"overflows float64 in 0\.weight, 1\.weight"):
        synflow(nn.Sequential(*layers), tokens())


def test_a_mask_may_end_the_flow():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    mask = Mask({name: torch.zeros(w.shape, dtype=torch.bool) for name, w in maskable(model).items()})
    scores = synflow(model, tokens().float(), mask=mask)
    assert not any(bool(layer.any()) for layer in scores.values())


def test_a_layer_that_is_not_used_has_no_flow_and_is_allowed():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[1].unused = nn.Linear(5, 5)
    scores = synflow(model, tokens().float())
    assert not scores["1.unused.weight"].any()
    assert scores["0.weight"].all()


# --- Recurrent layers.


class Recurrent(nn.Module):
    def __init__(self, kind) -> None:
        super().__init__()
        self.inside, self.recurrent = nn.Linear(3, WIDTH), kind(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, signal: Tensor) -> Tensor:
        return self.head(self.states(self.inside(signal)))

    def states(self, hidden: Tensor) -> Tensor:
        return self.recurrent(hidden)[0][:, -1]


class Steps(Recurrent):
    """The same for tanh layers, step by step."""

    def states(self, hidden: Tensor) -> Tensor:
        own, state = self.recurrent, hidden.new_zeros(len(hidden), WIDTH)
        for token in hidden.unbind(1):
            into = functional.linear(token, own.weight_ih_l0, own.bias_ih_l0)
            state = torch.tanh(into + functional.linear(state, own.weight_hh_l0, own.bias_hh_l0))
        return state


def test_scores_of_other_layers_work_through_recurrent_layers():
    ours, theirs = seeded(Recurrent, nn.RNN), seeded(Steps, nn.RNN)
    batch = tokens(), torch.tensor([0, 1])
    names = ["snip", "grasp", "fisher", "synflow"]
    with unchanged_model(ours):
        scores = compute_scores(names, ours, batch, seed=0)
    for name, expected in compute_scores(names, theirs, batch, seed=0).items():
        same(scores[name], expected)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_gates_are_scored_or_refused(kind):
    model, batch = seeded(Recurrent, kind), (tokens(), torch.tensor([0, 1]))
    scores = compute_scores(["snip", "grasp", "fisher"], model, batch, seed=0)
    assert all(bool(layer.any()) for score in scores.values() for layer in score.values())
    try:
        assert all(bool((layer > 0).all()) for layer in synflow(model, batch[0]).values())
    except InputError as error:
        assert "negative in inside.weight" in str(error)  # noqa: PT017
