"""The published values that we know. All other cells have none."""

from collections.abc import Mapping
from decimal import Decimal

from search_spaces.presets.base import PublishedValue

FREEZENET_ABSTRACT = "FreezeNet (arXiv 2011.14087), abstract"
FREEZENET_LENET_5_CAFFE = (
    PublishedValue("FreezeNet", Decimal("0.995"), 0.992, "share of dense", FREEZENET_ABSTRACT),
    PublishedValue("FreezeNet", Decimal("0.995"), 157, "factor", FREEZENET_ABSTRACT),
)

SYNAPTIC_FLOW_SOURCE = (
    "SynFlow's code base (arXiv 2006.05467), VGG16 with batch norm on CIFAR-10, mean of 3 runs, by a training"
    " recipe of its own"
)
# Test accuracy at the rates of `SYNAPTIC_FLOW_RATES`.
SYNAPTIC_FLOW_RATES = tuple(map(Decimal, ("0.9", "0.99", "0.999")))
SYNAPTIC_FLOW: Mapping[str, tuple[float, float, float]] = {
    "random": (0.911, 0.791, 0.100),
    "magnitude": (0.931, 0.898, 0.100),
    "snip": (0.923, 0.891, 0.763),
    "synflow": (0.933, 0.901, 0.804),
}


def synaptic_flow(headings: Mapping[str, str]) -> tuple[PublishedValue, ...]:
    """SynFlow's published values for VGG16 on CIFAR-10.

    Args:
        headings: The heading of the table's column by score; scores are keys of `SYNAPTIC_FLOW`.

    Returns:
        The values, test accuracies in [0, 1].
    """
    return tuple(
        PublishedValue(heading, rate, accuracy, "accuracy", SYNAPTIC_FLOW_SOURCE)
        for score, heading in headings.items()
        for rate, accuracy in zip(SYNAPTIC_FLOW_RATES, SYNAPTIC_FLOW[score], strict=True)
    )
