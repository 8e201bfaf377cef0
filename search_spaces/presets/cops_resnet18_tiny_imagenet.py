"""COPS: ResNet18 on Tiny ImageNet."""

from dataclasses import replace

from search_spaces.presets import cops_resnet34_tiny_imagenet

PRESET = replace(cops_resnet34_tiny_imagenet.PRESET, model="resnet18")
