"""`--gpus-per-trial auto`: what a trial needs of a GPU, and whether the share that it gives pays."""

from cops_core.config import Training, TrialConfig
from cops_core.demand import measure_demand, share_of
from gpu_session.launches import SMALL, launch
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting, made_data

# A network with the shape of its images, and its precision.
NETWORKS = (
    ("lenet_300_100", (1, 28, 28), "float32"),
    ("lenet_5_caffe", (1, 28, 28), "float32"),
    ("resnet18", (3, 32, 32), "bfloat16"),
)
IMAGES = 12_000


def demand(network: str, shape: tuple[int, int, int], precision: str, device: str) -> Figure:
    """What a dense trial needs."""
    config = TrialConfig(model=network, training=Training(precision=precision))
    found = measure_demand(config, data=made_data(shape, IMAGES), device=device)
    share = share_of(found)
    gib = found.peak_bytes / 2**30
    return f"{gib:.2f} GiB, busy {found.busy:.0%} of the time: a share of {share}", float(share)


def study(setting: Setting, share: str) -> Figure:
    """Trials per second with a share."""
    size = SMALL if setting.smallest else ("--trials", "64", "--epochs", "10")
    device = () if setting.on_gpu else ("--device", "cpu")
    found = launch("--gpus-per-trial", share, "--stopping", "none", "--sampler", "random", *size, *device)
    words = f"{found.rate:.2f} trials per second with shares of {found.gpus}; {found.statuses}"
    return words, found.rate


def auto(setting: Setting, rows: Rows) -> None:
    """The study first: it is what a user sees."""
    rows.measure("a study with auto", lambda: study(setting, "auto"))
    for network, shape, precision in NETWORKS:
        what = f"what {network} needs, {precision}"
        if setting.on_gpu:
            rows.measure(what, lambda n=network, s=shape, p=precision: demand(n, s, p, setting.device))
        else:
            rows.add(what, "needs CUDA", status="not here")
    if setting.on_gpu:
        rows.measure("a study with whole GPUs", lambda: study(setting, "1"))
