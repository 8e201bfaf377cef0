"""Networks as strangers write them: each does one thing that a tool for masks may get wrong.

`ODD` has a function `(shape, classes) -> nn.Module` for each, as a plugin has.
"""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


class Base(nn.Module):
    """A convolution, a hidden layer that is large enough for sparse products, a head; parts are replaced."""

    def __init__(self, shape, classes):
        super().__init__()
        self.conv = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.hidden = nn.Linear(32, 330)
        self.head = nn.Linear(330, classes)

    def before(self, images):
        return images

    def features(self, maps):
        return functional.relu(maps)

    def dense(self, features):
        return functional.relu(self.hidden(features))

    def after(self, logits):
        return logits

    def forward(self, images):
        maps = self.features(self.conv(self.before(images)))
        features = functional.adaptive_avg_pool2d(maps, 2).flatten(1)
        return self.after(self.head(self.dense(features)))


def with_(**parts):
    """The base with other parts: functions of what passes through."""

    def build(shape, classes):
        model = Base(shape, classes)
        for name, part in parts.items():
            setattr(model, name, part)
        return model

    return build


def with_layer(place, make):
    """The base with a layer of its own in one place; `make` returns the layer."""

    def build(shape, classes):
        model = Base(shape, classes)
        model.extra = make()
        setattr(model, place, lambda values: getattr(Base, place)(model, model.extra(values)))
        return model

    return build


def by_hand(maps):
    """Layer norm, written by hand."""
    mean = maps.mean(1, keepdim=True)
    return (maps - mean) / ((maps - mean).square().mean(1, keepdim=True) + 1e-6).sqrt()


def without_gradient(images):
    with torch.no_grad():
        return functional.avg_pool2d(images, 3, 1, 1)


def in_place(images):
    return images.mul_(2).sub_(1)


def fresh(images):
    made = torch.zeros(images.shape)
    made[:] = images
    return made


class FunctionalUse(Base):
    def dense(self, features):
        return functional.relu(functional.linear(features, self.hidden.weight, self.hidden.bias))


class MatrixUse(Base):
    def dense(self, features):
        return functional.relu(features @ self.hidden.weight.t())


class Checkpointed(Base):
    def dense(self, features):
        return (
            checkpoint(super().dense, features, use_reentrant=False)
            if self.training
            else super().dense(features)
        )


class CheckpointedReentrant(Base):
    def dense(self, features):
        return (
            checkpoint(super().dense, features, use_reentrant=True)
            if self.training
            else super().dense(features)
        )


class UnderAutocast(Base):
    def dense(self, features):
        with torch.autocast("cpu", torch.bfloat16):
            return super().dense(features).to(features.dtype)


class Tied(Base):
    """An autoencoder's weight, used twice."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.back = nn.Linear(330, 32)
        self.back.weight = nn.Parameter(self.back.weight.detach())
        self.head = nn.Linear(32, classes)

    def dense(self, features):
        wide = super().dense(features)
        return functional.linear(wide, self.hidden.weight.t(), self.back.bias) + self.back(wide)


class Attention(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def features(self, maps):
        tokens = maps.flatten(2).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return mixed.transpose(1, 2).reshape(maps.shape)


class ScaledDotProduct(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.qkv = nn.Linear(8, 24)

    def features(self, maps):
        count, channels, height, width = maps.shape
        query, key, value = self.qkv(maps.flatten(2).transpose(1, 2)).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).reshape(count, channels, height, width)


class Tokens(nn.Module):
    """A small vision transformer: class token, position embedding, encoder layer with dropout."""

    def __init__(self, shape, classes):
        super().__init__()
        self.patches = nn.Conv2d(shape[0], 16, 4, 4)
        count = (shape[1] // 4) * (shape[2] // 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, count + 1, 16) * 0.02)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, classes)

    def forward(self, images):
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), patches], 1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


class Recurrent(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.rnn = nn.LSTM(shape[0] * shape[2], 16, batch_first=True)
        self.head = nn.Linear(16, classes)

    def forward(self, images):
        return self.head(self.rnn(images.transpose(1, 2).flatten(2))[0][:, -1])


class LayerScale(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.gamma = nn.Parameter(0.1 * torch.ones(330))

    def dense(self, features):
        return self.gamma * super().dense(features)


class OwnMatrix(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.matrix = nn.Parameter(torch.randn(32, 32) / 6)

    def dense(self, features):
        return super().dense(features @ self.matrix)


class PresetBias(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        with torch.no_grad():
            self.head.bias.copy_(torch.linspace(-3, 0, classes))


class Scaled(Base):
    """Has names that the tool uses itself."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.register_buffer("epoch", torch.tensor(3))
        self.register_buffer("mask", torch.ones(330, dtype=torch.bool))

    def dense(self, features):
        return super().dense(features) * self.scale * self.mask


class Buffers(Base):
    """Buffers of several types, one of which changes while it trains."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.register_buffer("phases", torch.polar(torch.ones(32), torch.linspace(0, 1, 32)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("exact", torch.linspace(0, 1, 32, dtype=torch.float64) / 3)
        self.register_buffer("short", torch.ones(32, dtype=torch.float16) / 3)
        self.register_buffer("temporary", torch.ones(32), persistent=False)

    def dense(self, features):
        if self.training:
            self.steps += 1
        turned = (features * self.phases).real + features * self.exact.to(features.dtype)
        return super().dense(turned + features * self.short.to(features.dtype) * self.temporary)


class Noise(Base):
    def dense(self, features):
        noise = 0.1 * torch.randn_like(features) if self.training else 0
        return super().dense(features + noise)


class StochasticDepth(Base):
    def dense(self, features):
        hidden = super().dense(features)
        if self.training:
            hidden = hidden * (torch.rand(len(hidden), 1) < 0.8).to(hidden.dtype) / 0.8
        return hidden


class DataDependent(Base):
    def dense(self, features):
        hidden = super().dense(features)
        return hidden * 0.5 if hidden.mean() > 0.3 else hidden


class EmptyLayer(Base):
    """A width that was rounded down to 0."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.empty = nn.Linear(32, 0)
        self.head = nn.Linear(330, classes)

    def dense(self, features):
        return torch.cat([super().dense(features), self.empty(features)], 1)


class HalfLayer(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.middle = nn.Linear(32, 32).bfloat16()

    def dense(self, features):
        return super().dense(self.middle(features.to(self.middle.weight.dtype)).to(features.dtype))


class Separate(Base):
    """Weight norm: the layer's weight is computed from others."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.hidden = parametrizations.weight_norm(nn.Linear(32, 330))


class Lazy(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.hidden = nn.LazyLinear(330)
        self(torch.zeros(2, *shape))


class Transposed(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)

    def features(self, maps):
        return functional.relu(self.up(maps))


class OneDimensional(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.conv = nn.Conv1d(shape[0] * shape[1], 16, 3, padding=1)
        self.head = nn.Linear(16 * (shape[2] // 2), classes)

    def forward(self, images):
        rows = functional.relu(self.conv(images.flatten(1, 2)))
        return self.head(functional.max_pool1d(rows, 2).flatten(1))


class Embedded(Base):
    """Looks brightness up in a table."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.table = nn.Embedding(4, 32)

    def dense(self, features):
        return super().dense(features + self.table((features.mean(1) > 0).long()))


class FixedFilter(Base):
    """A plain tensor, which no conversion of types reaches."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.blur = torch.full((shape[0], 1, 3, 3), 1 / 9)

    def before(self, images):
        return functional.conv2d(images, self.blur, padding=1, groups=images.shape[1])


class FrozenByAuthor(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.conv.requires_grad_(False)


class WholeHalf(Base):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.half()


ODD = {
    "frozen_by_author": FrozenByAuthor,
    "plain": Base,
    "negated": with_(before=lambda images: -images),
    "inverted": with_(before=lambda images: 1 - images),
    "binarised": with_(before=lambda images: (images > 0).to(images.dtype)),
    "without_gradient": with_(before=without_gradient),
    "in_place_on_images": with_(before=in_place),
    "casts_to_float": with_(before=lambda images: images.float()),
    "fresh_tensor": with_(before=fresh),
    "matrix_in_forward": with_(before=lambda images: images @ torch.eye(images.shape[-1])),
    "fixed_filter": FixedFilter,
    "layer_norm_by_hand": with_(features=by_hand),
    "centred": with_(features=lambda maps: maps - maps.mean((2, 3), keepdim=True)),
    "max_pooling": with_(features=lambda maps: functional.max_pool2d(maps, 2)),
    "centred_logits": with_(after=lambda logits: logits - logits.mean(1, keepdim=True)),
    "log_softmax": with_(after=lambda logits: logits - logits.logsumexp(1, keepdim=True)),
    "batch_norm": with_layer("features", lambda: nn.BatchNorm2d(8)),
    "batch_norm_without_affine": with_layer("features", lambda: nn.BatchNorm2d(8, affine=False)),
    "group_norm": with_layer("features", lambda: nn.GroupNorm(2, 8)),
    "instance_norm": with_layer("features", lambda: nn.InstanceNorm2d(8, affine=True)),
    "prelu": with_layer("features", nn.PReLU),
    "rrelu": with_layer("features", nn.RReLU),
    "dropout": with_layer("features", lambda: nn.Dropout2d(0.3)),
    "alpha_dropout": with_layer("features", lambda: nn.AlphaDropout(0.3)),
    "hardsigmoid": with_layer("features", nn.Hardsigmoid),
    "depthwise": with_layer("features", lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8)),
    "functional_use": FunctionalUse,
    "matrix_use": MatrixUse,
    "checkpointed": Checkpointed,
    "checkpointed_reentrant": CheckpointedReentrant,
    "under_autocast": UnderAutocast,
    "tied": Tied,
    "attention": Attention,
    "scaled_dot_product": ScaledDotProduct,
    "tokens": Tokens,
    "recurrent": Recurrent,
    "layer_scale": LayerScale,
    "own_matrix": OwnMatrix,
    "preset_bias": PresetBias,
    "names_of_ours": Scaled,
    "buffers": Buffers,
    "noise": Noise,
    "stochastic_depth": StochasticDepth,
    "data_dependent": DataDependent,
    "empty_layer": EmptyLayer,
    "half_layer": HalfLayer,
    "whole_half": WholeHalf,
    "weight_norm": Separate,
    "lazy": Lazy,
    "transposed": Transposed,
    "one_dimensional": OneDimensional,
    "embedded": Embedded,
    "data_parallel": lambda shape, classes: nn.DataParallel(Base(shape, classes)),
    "two_layers": lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(64 * shape[0], classes)),
}
