"""A trial of each arm on the device against the CPU's numbers."""

from cops_core.config import Arm, Selection, Training, TrialConfig
from cops_core.trial import TrialResult, run_trial
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting

ARMS: tuple[Arm, ...] = ("dense", "prune", "freeze", "freeze_wd", "scale")
# The largest relative difference of losses. In float32 and bfloat16 scores that are almost equal may change
# places, and a few weights are others.
TOLERANCES = {"float64": 1e-6, "float32": 1e-2, "bfloat16": 1e-1}


def trial_of(arm: Arm, precision: str, epochs: int) -> TrialConfig:
    """SNIP at a rate of 0.9, LeNet-300-100 on digits."""
    dense = arm == "dense"
    return TrialConfig(
        dataset="digits",
        validation_fraction="0.2",
        arm=arm,
        scale=0.5 if arm == "scale" else None,
        selection=None if dense else Selection(target="snip", samples_per_class=5),
        density=None if dense else "0.1",
        training=Training(epochs=epochs, precision=precision),
    )


def run(config: TrialConfig, device: str) -> tuple[list[float], TrialResult]:
    """All losses of a trial, and its result."""
    losses: list[float] = []
    result = run_trial(
        config, lambda row: losses.extend((row.train_loss, row.validation_loss)), device=device
    )
    return losses, result


def compare(config: TrialConfig, device: str, tolerance: float) -> Figure:
    """The largest relative difference, and whether the mask is the same."""
    ours, result = run(config, device)
    expected, other = run(config, "cpu")
    worst = max(abs(one / each - 1) for one, each in zip(ours, expected, strict=True))
    same = result.facts["mask_sha256"] == other.facts["mask_sha256"]
    words = (
        f"losses differ by {worst:.1e}, allowed {tolerance:g}; {'the same mask' if same else 'another mask'}"
    )
    wrong = worst > tolerance or (config.training.precision == "float64" and not same)
    return words, worst, "wrong" if wrong else "ok"


def arms(setting: Setting, rows: Rows) -> None:
    """Each arm in each precision."""
    epochs = 1 if setting.smallest else 3
    for precision, tolerance in TOLERANCES.items():
        for arm in ARMS:
            config = trial_of(arm, precision, epochs)
            rows.measure(
                f"{arm}, {precision}",
                lambda config=config, tolerance=tolerance: compare(config, setting.device, tolerance),
            )
