"""FreezeNet: LeNet-300-100 on MNIST."""

from search_spaces.presets.base import Preset
from search_spaces.presets.methods import freezenet_methods
from search_spaces.presets.recipes import MNIST_RECIPE

PRESET = Preset(
    paper="freezenet",
    model="lenet_300_100",
    dataset="mnist",
    training=MNIST_RECIPE,
    methods=freezenet_methods(samples_per_class=10),
    seeds=5,
    tolerance=0.5,
)
