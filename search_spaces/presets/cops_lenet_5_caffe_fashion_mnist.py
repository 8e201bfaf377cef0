"""COPS's setting for LeNet-5-Caffe on MNIST, on Fashion-MNIST."""

from dataclasses import replace

from search_spaces.presets import cops_lenet_5_caffe_mnist

PRESET = replace(cops_lenet_5_caffe_mnist.PRESET, dataset="fashion_mnist", published=())
