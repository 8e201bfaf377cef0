"""Batches of any kind: told apart, moved and split."""

import itertools
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from cops_core.errors import InputError
from cops_core.scores.batches import MOST, batches_of, cloned, inputs_of, moved, pair_of, tensors_in

Point = namedtuple("Point", "x y")
CPU = torch.device("cpu")


@dataclass
class Sample:
    pixels: Tensor
    name: str


class Encoding(UserDict):
    """Like a BatchEncoding: entries are attributes, too."""

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self.data:
            raise AttributeError(name)
        return self.data[name]


x, y = torch.rand(3, 2), torch.tensor([0, 1, 0])


@pytest.mark.parametrize(
    "one", [x, (x, y), Point(x, y), {"a": x}, Encoding(a=x), Sample(x, "a"), pack_sequence([x])]
)
def test_one_batch(one):
    found = batches_of(one)
    assert len(found) == 1
    assert found[0] is one


@pytest.mark.parametrize(
    "several",
    [[(x, y), (x, y)], iter([x, x]), DataLoader(TensorDataset(x, y), batch_size=2), ({"a": x} for _ in "ab")],
)
def test_several_batches(several):
    assert len(batches_of(several)) == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "batches is empty"),
        (3, "object of type int: write one batch"),
        ("text", "object of type str"),
        (itertools.repeat(x), f"more than {MOST} batches: write a few"),
    ],
)
def test_what_is_no_batch(wrong, words):
    with pytest.raises(InputError, match=words):
        batches_of(wrong)


def test_a_batch_is_moved_with_its_types():
    batch = (
        x,
        {"ids": y, "more": [x, "text", None]},
        Point(x, 3),
        Encoding(mask=y, pixels=x),
        Sample(x, "a"),
    )
    pixels, entries, point, encoding, sample = moved(batch, CPU, torch.float64)
    assert pixels.dtype == torch.float64
    assert entries["ids"].dtype == torch.int64
    assert entries["more"][0].dtype == torch.float64
    assert entries["more"][1:] == ["text", None]
    assert isinstance(point, Point)
    assert point.y == 3
    assert isinstance(encoding, Encoding)
    assert encoding.pixels.dtype == torch.float64
    assert encoding.mask is y
    assert isinstance(sample, Sample)
    assert sample.pixels.dtype == torch.float64
    assert batch[3]["pixels"].dtype == torch.float32


def test_a_packed_sequence_is_moved():
    packed = pack_sequence([x, x[:1]])
    found = moved(packed, CPU, torch.float64)
    assert isinstance(found, PackedSequence)
    assert found.data.dtype == torch.float64
    assert found.batch_sizes.tolist() == [2, 1, 1]


def test_clones_share_no_memory():
    batch = [(x, OrderedDict(a=y)), Sample(x, "a"), Encoding(a=x)]
    given, made = tensors_in(batch), tensors_in(cloned(batch))
    assert len(given) == len(made) == 4
    for one, other in zip(given, made, strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


def test_an_object_with_a_method_to_is_moved_by_it():
    class Graph:
        device = None

        def to(self, device):
            self.device = device
            return self

    graph = Graph()
    assert batches_of(graph) == [graph]
    assert moved(graph, CPU, torch.float32).device == CPU
    assert graph.device is None


def test_inputs_and_labels():
    assert pair_of((x, y)) == (x, y)
    assert pair_of([x, y])[1] is y
    inputs, labels = pair_of(Encoding(ids=x, labels=y))
    assert list(inputs) == ["ids"]
    assert labels is y
    for other in (x, (x, x, y), {"a": x}, (x, 3)):
        assert pair_of(other) is None
    assert inputs_of((x, x, y)) is x
    assert inputs_of(x) is x
    packed = pack_sequence([x])
    assert inputs_of(packed) is packed
    assert isinstance(inputs_of((nn.Identity(),)), nn.Identity)
