"""COPS: VGG16-D on CIFAR-10, with SynFlow's published values for single scores."""

from dataclasses import replace

from search_spaces.presets import freezenet_vgg16_cifar10
from search_spaces.presets.methods import cops_methods
from search_spaces.presets.published import SYNAPTIC_FLOW, synaptic_flow

PRESET = replace(
    freezenet_vgg16_cifar10.PRESET,
    paper="cops",
    methods=cops_methods(samples_per_class=13),
    published=synaptic_flow({score: score for score in SYNAPTIC_FLOW}),
)
