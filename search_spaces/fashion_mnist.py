"""The quickstart's space on a data set of 70,000 images."""

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from search_spaces.suggest import suggest_arm, suggest_selection, suggest_training


def fashion_mnist(trial: BaseTrial) -> TrialConfig:
    """Scores, COPS pairs and both arms for LeNet-300-100 on Fashion-MNIST."""
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm=suggest_arm(trial),
        selection=suggest_selection(trial),
        training=suggest_training(trial, epochs=10),
    )
