"""COPS: ResNet18 on CIFAR-10."""

from dataclasses import replace

from search_spaces.presets import cops_vgg16_cifar10

PRESET = replace(cops_vgg16_cifar10.PRESET, model="resnet18", published=())
