"""Networks with batch norm on colour images, as in most papers on pruning before training."""

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from search_spaces.suggest import suggest_arm, suggest_selection, suggest_training


def cifar10(trial: BaseTrial) -> TrialConfig:
    """Scores, COPS pairs and both arms for ResNet18 and VGG16 on CIFAR-10, with crops and flips."""
    training = suggest_training(trial, epochs=30)
    return TrialConfig(
        dataset="cifar10",
        model=trial.suggest_categorical("model", ("resnet18", "vgg16")),
        arm=suggest_arm(trial),
        selection=suggest_selection(trial),
        training=training.model_copy(update={"batch_size": 128, "augmentation": "crop_flip"}),
    )
