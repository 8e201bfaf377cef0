"""Networks that the project does not know: none is called collapsed that is not, no live weight is missed."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from cops_core.collapse import connectivity
from cops_core.prunable import maskable

from .gradients import live_by_gradients
from .networks import full

SHAPE = (2, 4, 4)


class Net(nn.Module):
    """A convolution, `middle`, a convolution, `late` and a linear layer; `after` on the logits."""

    def __init__(self, *, before=None, middle=None, late=None, after=None, channels=4, features=64):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 4, 3, padding=1)
        self.head = nn.Linear(features, 3)
        self.parts = [part or (lambda x: x) for part in (before, middle, late, after)]
        self.gain = nn.Parameter(torch.zeros(4, 1, 1))

    def forward(self, x):
        before, middle, late, after = self.parts
        x = middle(torch.tanh(self.conv1(before(x))))
        return after(self.head(late(torch.tanh(self.conv2(x))).flatten(1)))


class Standardised(nn.Conv2d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w / (w.std((1, 2, 3), keepdim=True) + 1e-5), self.bias, padding=1)


class Gained(Net):
    """A gain that starts at zero, as in ReZero and LayerScale."""

    def forward(self, x):
        return self.head((self.gain * self.conv2(torch.tanh(self.conv1(x)))).flatten(1))


class Gated(Net):
    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        return self.head((x * torch.tanh(self.conv2(x))).flatten(1))


class Difference(Net):
    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        return self.head((self.conv2(x) - x).flatten(1))


class Attention(Net):
    def __init__(self):
        super().__init__()
        del self.conv2
        self.mha = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        x = torch.tanh(self.conv1(x)).flatten(2).transpose(1, 2)
        return self.head(self.mha(x, x, x, need_weights=False)[0].flatten(1))


class Tokens(Net):
    """A class token whose state alone is read."""

    def __init__(self):
        super().__init__(features=4)
        del self.conv2
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.encoder = nn.TransformerEncoderLayer(4, 1, 6, batch_first=True, dropout=0.0)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return self.head(self.encoder(x)[:, 0])


class Recurrent(Net):
    def __init__(self, kind):
        super().__init__(features=5)
        del self.conv2
        self.rnn = kind(16, 5, batch_first=True)

    def forward(self, x):
        return self.head(self.rnn(self.conv1(x).flatten(2))[0][:, -1])


class Dynamic(Net):
    """A convolution whose weights come from the image."""

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        kernel = self.conv2(x)[:, :, :1, :1].transpose(0, 1)
        return self.head(F.conv2d(x, kernel, groups=4).flatten(1)) if len(x) == 1 else self.each(x)

    def each(self, x):
        kernels = self.conv2(x)[:, :, :1, :1]
        return self.head((x * kernels).flatten(1))


def by_hand(x):
    mean = x.mean(1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(1, keepdim=True) + 1e-6).sqrt()


def in_place(x):
    out = torch.zeros_like(x)
    out[:, 1:] = x[:, :-1]
    out[:, 0].copy_(-x[:, 3])
    out *= 2
    return out


def as_complex(x):
    turned = torch.view_as_complex(x.reshape(len(x), 4, 8, 2)) * 1j
    return torch.view_as_real(turned).reshape(x.shape)


def larger(mode):
    return Net(middle=lambda x: F.interpolate(x, scale_factor=1.5, mode=mode), features=144)


def no_gradient(x):
    with torch.no_grad():
        return F.avg_pool2d(x, 3, 1, 1)


def straight_through(x):
    return x + (x.round() - x).detach()


SMOOTH = {
    "negation": lambda: Net(middle=torch.neg),
    "one minus": lambda: Net(before=lambda x: 1 - x),
    "division": lambda: Net(middle=lambda x: x / (2 + x)),
    "centred logits": lambda: Net(after=lambda x: x - x.mean(1, keepdim=True)),
    "log softmax by hand": lambda: Net(after=lambda x: x - x.logsumexp(1, keepdim=True)),
    "norm by hand": lambda: Net(middle=by_hand),
    "unit length": lambda: Net(middle=lambda x: F.normalize(x, dim=1)),
    "spatial mean": lambda: Net(middle=lambda x: x - x.mean((2, 3), keepdim=True)),
    "concatenation": lambda: Net(middle=lambda x: torch.cat([x, x.flip(1).neg()], 1), channels=8),
    "gated linear unit": lambda: Net(late=lambda x: F.glu(x, 1), features=32),
    "shuffle and shift": lambda: Net(middle=lambda x: F.channel_shuffle(x, 2).roll(1, 3)),
    "in place": lambda: Net(middle=in_place),
    "einsum": lambda: Net(late=lambda x: torch.einsum("bchw,bdhw->bcd", x, x), features=16),
    "bilinear": lambda: larger("bilinear"),
    "bicubic": lambda: larger("bicubic"),
    "fourier": lambda: Net(middle=lambda x: torch.fft.ifft2(torch.fft.fft2(x) * 2).real),
    "as complex numbers": lambda: Net(middle=as_complex),
    "unfolded": lambda: Net(late=lambda x: F.unfold(x, 2), features=144),
    "weights by gather": lambda: Net(late=lambda x: x.flatten(1)[:, torch.arange(63, -1, -1)]),
    "cumulated": lambda: Net(middle=lambda x: x.cumsum(3)),
    "softmax pooling": lambda: Net(middle=lambda x: x * x.flatten(2).softmax(2).view_as(x)),
    "checkpoint": lambda: Net(middle=lambda x: checkpoint(torch.sin, x, use_reentrant=False)),
    "clone and data": lambda: Net(middle=lambda x: x.clone().contiguous(memory_format=torch.channels_last)),
    "each image by itself": lambda: Net(middle=torch.func.vmap(lambda x: x.flip(0) * 2)),
    "gain of zero": Gained,
    "gate": Gated,
    "difference": Difference,
    "attention": Attention,
    "class token": Tokens,
    "recurrent": lambda: Recurrent(nn.LSTM),
    "recurrent with gates": lambda: Recurrent(nn.GRU),
    "weights from the image": Dynamic,
}  # fmt: skip
# Gradients do not say what these depend on, or depend on the draws.
ROUGH = {
    "checkpoint": lambda: Net(middle=lambda x: checkpoint(torch.sin, x, use_reentrant=True)),
    "gate that is never zero": lambda: Net(middle=lambda x: x * x.sigmoid()),
    "quantised": lambda: Net(middle=lambda x: (8 * x).round() / 8),
    "binary": lambda: Net(before=lambda x: (x > 0).to(x.dtype)),
    "sign": lambda: Net(middle=lambda x: x.sign()),
    "straight through": lambda: Net(middle=straight_through),
    "without gradient": lambda: Net(before=no_gradient),
    "detached": lambda: Net(middle=lambda x: x.detach() + 1),
    "both signs": lambda: Net(middle=lambda x: torch.cat([x.relu(), (-x).relu()], 1), channels=8),
    "max pooling in 1-D": lambda: Net(late=lambda x: F.max_pool1d(x.flatten(2), 2), features=32),
    "max pooling in 3-D": lambda: Net(late=lambda x: F.max_pool3d(x[:, None], 2), features=8),
    "max pooling with indices": lambda: Net(
        late=lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    ),
    "fractional": lambda: Net(late=lambda x: F.fractional_max_pool2d(x, 2, output_size=3), features=36),
    "maxout": lambda: Net(middle=lambda x: torch.maximum(x, x.flip(1))),
    "sorted": lambda: Net(middle=lambda x: x.sort(1).values),
    "highest": lambda: Net(late=lambda x: x.flatten(1).topk(10).values, features=10),
    "median": lambda: Net(middle=lambda x: x - x.flatten(2).median(2).values[:, :, None, None]),
    "where": lambda: Net(middle=lambda x: torch.where(x > 0, x, 0.1 * x)),
    "masked fill": lambda: Net(middle=lambda x: x.masked_fill(x < 0, 0.0)),
    "written by index": lambda: Net(late=lambda x: torch.zeros_like(x).index_put((torch.arange(len(x)),), x)),
}  # fmt: skip
UNKNOWN = {
    "numpy": lambda: Net(middle=lambda x: torch.from_numpy(np.tanh(x.detach().numpy()))),
    "a list": lambda: Net(middle=lambda x: torch.tensor(x.tolist())),
    "a branch": lambda: Net(middle=lambda x: x if x.mean() > 0 else -x),
    "a number": lambda: Net(middle=lambda x: x * x.std().item()),
}


def mask_of(model, density, seed=0):
    draws = np.random.default_rng(seed)
    return {name: torch.from_numpy(draws.random(p.shape) < density) for name, p in maskable(model).items()}


@pytest.mark.parametrize("density", [0.3, 0.1, 0.05])
@pytest.mark.parametrize("build", SMOOTH.values(), ids=SMOOTH)
def test_every_weight_that_moves_an_output_is_live(build, density):
    model = build()
    mask = mask_of(model, density, seed=int(100 * density))
    found = connectivity(model, SHAPE, mask)
    moved = live_by_gradients(model, SHAPE, mask, draws=3, biases=False)
    assert found.unknown is None
    assert all(found.live_weights[name] >= live for name, live in moved.items())
    assert not (found.collapsed and any(moved.values()))


@pytest.mark.parametrize("build", [*SMOOTH.values(), *ROUGH.values()], ids=[*SMOOTH, *ROUGH])
def test_a_healthy_network_is_not_collapsed(build):
    model = build()
    found = connectivity(model, SHAPE, full(model))
    assert found.collapsed is False
    assert found.live_outputs == found.outputs
    if build is not Dynamic:  # it reads one position of its second convolution
        assert found.live == found.size


@pytest.mark.parametrize("build", [*SMOOTH.values(), *ROUGH.values()], ids=[*SMOOTH, *ROUGH])
def test_a_network_with_an_empty_head_is_collapsed(build):
    model = build()
    found = connectivity(model, SHAPE, full(model, but=["head.weight"]))
    assert found.collapsed is True
    assert found.live_outputs == 0


@pytest.mark.parametrize("build", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_followed_is_unknown(build):
    model = build()
    found = connectivity(model, SHAPE, full(model))
    assert found.unknown
    assert found.collapsed is found.live is found.effective_density is None
    assert found.facts()["unknown"] == found.unknown


def test_weight_standardisation_sends_signals_through_removed_weights():
    """The mean is subtracted from zeros, too: only a layer that is empty sends nothing."""
    model = nn.Sequential(Standardised(2, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3))
    mask = mask_of(model, 0.1)
    found = connectivity(model, SHAPE, mask)
    assert found.live_weights == live_by_gradients(model, SHAPE, mask, biases=False)
    empty = connectivity(model, SHAPE, full(model, but=["0.weight"]))
    assert empty.collapsed


def test_what_escapes_the_trace_and_is_seen_to_vary_is_not_collapsed():
    """A closure reads the weights that the mask removes, so that no path is found."""
    hidden = nn.Linear(32, 3)
    model = Net(after=lambda x: x)
    model.parts[3] = lambda x: x + model.leak
    model.leak = 0.0

    def leak(module, inputs):
        with torch.no_grad():
            module.leak = torch.from_numpy(hidden(inputs[0].flatten(1).float()).numpy().copy())

    model.register_forward_pre_hook(leak)
    found = connectivity(model, SHAPE, full(model, but=["head.weight"]))
    assert found.collapsed is None
    assert found.unknown


def test_tied_weights_are_live_where_either_use_is():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(32, 32, bias=False)
            self.head = nn.Linear(32, 3)

        def forward(self, x):
            x = x.flatten(1)
            return self.head(torch.tanh(self.fc(x)) + torch.tanh(F.linear(x, self.fc.weight.t())))

    model = Tied()
    mask = mask_of(model, 0.02)
    found = connectivity(model, SHAPE, mask)
    assert found.live_weights == live_by_gradients(model, SHAPE, mask, biases=False)
