"""The oracle: a network as a graph with a node per unit and position, searched from both ends."""

import math
from collections import defaultdict

import numpy as np


class Graph:
    """The oracle: a node per unit and position, an edge per product of the forward pass, and two searches.

    Arrays hold node numbers, of the shape of the activations: (channels, height, width) or (features,).
    """

    def __init__(self):
        self.nodes = 0
        self.edges = []  # (from, to, (parameter name, index) or None)
        self.biases = []  # (to, (parameter name, index))

    def units(self, *shape):
        self.nodes += math.prod(shape)
        return np.arange(self.nodes - math.prod(shape), self.nodes).reshape(shape)

    def linear(self, name, before, features):
        after = self.units(features)
        for o in range(features):
            self.biases.append((after[o], (f"{name}.bias", (o,))))
            for i, node in enumerate(before):
                self.edges.append((node, after[o], (f"{name}.weight", (o, i))))
        return after

    def conv(self, name, before, channels, kernel, stride=1, padding=0, dilation=1, groups=1):
        per_group, out_per_group = len(before) // groups, channels // groups
        height, width = (
            (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in before.shape[1:]
        )
        after = self.units(channels, height, width)
        for o, y, x in np.ndindex(after.shape):
            self.biases.append((after[o, y, x], (f"{name}.bias", (o,))))
            for i, dy, dx in np.ndindex(per_group, kernel, kernel):
                node = at(before[o // out_per_group * per_group + i], y, x, dy, dx, stride, padding, dilation)
                if node is not None:
                    self.edges.append((node, after[o, y, x], (f"{name}.weight", (o, i, dy, dx))))
        return after

    def pool(self, before, kernel, stride, padding=0, dilation=1, ceil_mode=False):
        sizes = []
        for n in before.shape[1:]:
            steps = (n + 2 * padding - dilation * (kernel - 1) - 1) / stride
            size = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
            sizes.append(size - 1 if ceil_mode and (size - 1) * stride >= n + padding else size)
        after = self.units(len(before), *sizes)
        for c, y, x in np.ndindex(after.shape):
            for dy, dx in np.ndindex(kernel, kernel):
                node = at(before[c], y, x, dy, dx, stride, padding, dilation)
                if node is not None:
                    self.edges.append((node, after[c, y, x], None))
        return after

    def global_pool(self, before):
        after = self.units(len(before))
        self.edges += [(node, after[c], None) for c, plane in enumerate(before) for node in plane.flat]
        return after

    def add(self, first, second):
        after = self.units(*first.shape)
        for before in (first, second):
            self.edges += [(i, o, None) for i, o in zip(before.flat, after.flat, strict=True)]
        return after

    def mix(self, before):
        """Each unit depends on all: softmax, a mean that is subtracted, layer norm."""
        after = self.units(*before.shape)
        self.edges += [(i, o, None) for i in before.flat for o in after.flat]
        return after

    def live(self, mask, inputs, outputs):
        """The kept (name, index) on a path, and whether there is a path at all."""

        def kept(parameter):
            return parameter is None or parameter[0] not in mask or bool(mask[parameter[0]][parameter[1]])

        edges = [edge for edge in self.edges if kept(edge[2])]
        reached = search(inputs.flat, ((i, o) for i, o, _ in edges))
        reaching = search(outputs.flat, ((o, i) for i, o, _ in edges))
        live = {parameter for i, o, parameter in edges if i in reached and o in reaching}
        live |= {parameter for o, parameter in self.biases if o in reaching and kept(parameter)}
        return live - {None}, sum(o in reached for o in outputs.flat)


def at(plane, y, x, dy, dx, stride, padding, dilation):
    """The node that a window sees at one of its places, None in the padding."""
    row, column = y * stride - padding + dy * dilation, x * stride - padding + dx * dilation
    inside = 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]
    return plane[row, column] if inside else None


def search(starts, edges):
    successors = defaultdict(list)
    for i, o in edges:
        successors[i].append(o)
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = [node for node in successors[waiting.pop()] if node not in found]
        found.update(new)
        waiting += new
    return found
