"""FreezeNet: VGG16-D on CIFAR-10."""

from search_spaces.presets.base import Preset
from search_spaces.presets.methods import freezenet_methods
from search_spaces.presets.published import synaptic_flow
from search_spaces.presets.recipes import CIFAR_RECIPE

PRESET = Preset(
    paper="freezenet",
    model="vgg16",
    dataset="cifar10",
    training=CIFAR_RECIPE,
    methods=freezenet_methods(samples_per_class=13),
    seeds=3,
    tolerance=1.0,
    published=synaptic_flow({"snip": "SNIP, pruned"}),
)
