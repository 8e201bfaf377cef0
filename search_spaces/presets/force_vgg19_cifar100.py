"""FORCE and Iterative SNIP: VGG-19 on CIFAR-100, ten batches in each round."""

from search_spaces.presets.base import Preset
from search_spaces.presets.methods import force_methods
from search_spaces.presets.recipes import CIFAR_RECIPE

PRESET = Preset(
    paper="force",
    model="vgg19",
    dataset="cifar100",
    training=CIFAR_RECIPE,
    methods=force_methods(samples_per_class=1, batches=10),
    seeds=3,
    tolerance=1.0,
)
