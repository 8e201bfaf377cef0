"""Many small networks in one process, against the best number of processes that share the GPU."""

import time

from cops_core.config import Selection, Training, TrialConfig
from cops_core.trial import reproducible
from gpu_session.crew import Crew
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting, made_data
from gpu_session.together import Together

# How many networks are trained together, the most informative number first.
NETWORKS = {"lenet_300_100": (64, 16, 256), "lenet_5_caffe": (64, 16)}
SHAPE, IMAGES = (1, 28, 28), 6000
PROCESSES = (1, 2, 4, 8, 16)
SECONDS = 2.0


def trial_of(network: str, seed: int) -> TrialConfig:
    """A frozen network at a rate of 0.99, with its own learning rate."""
    return TrialConfig(
        model=network,
        arm="freeze",
        selection=Selection(target="snip"),
        density="0.01",
        seed=seed,
        training=Training(epochs=1000, learning_rate=0.02 + 0.0001 * seed),
    )


def together(network: str, count: int, setting: Setting, images: int, best: float) -> Figure:
    """Epochs of trials per second, with `count` networks in this process."""
    began = time.perf_counter()
    configs = [trial_of(network, seed) for seed in range(count)]
    networks = Together(configs, made_data(SHAPE, images), setting.device)
    with reproducible():
        networks.run_epoch()
        setting.synchronize()
        built = time.perf_counter() - began
        seconds = setting.seconds(networks.run_epoch, 1 if setting.smallest else 3)
    rate = count / seconds
    against = f", {rate / best:.1f} times the best of the processes" if best else ""
    return f"{rate:.3g} epochs of trials per second{against}; ready after {built:.1f} s", rate


def packed(setting: Setting, rows: Rows) -> None:
    """Both, for each network."""
    networks = {"lenet_300_100": (3,)} if setting.smallest else NETWORKS
    processes, seconds = ((1,), 0.1) if setting.smallest else (PROCESSES, SECONDS)
    images = 200 if setting.smallest else IMAGES
    with Crew(max(processes)) as crew:
        for network, sizes in networks.items():
            work = trial_of(network, 0), SHAPE, images, setting.device
            rates: list[float] = [0.0]

            def build(crew: Crew = crew, work=work) -> Figure:
                began = time.perf_counter()
                crew.build(work)
                return f"{time.perf_counter() - began:.1f} s", time.perf_counter() - began

            def share(count: int, crew: Crew = crew, work=work, rates: list[float] = rates) -> Figure:
                rates.append(crew.rate(count, work, seconds))
                return f"{rates[-1]:.3g} epochs of trials per second", rates[-1]

            rows.measure(f"{network}: {max(processes)} processes build their trial", build)
            for count in processes:
                rows.measure(f"{network}: {count} processes", lambda count=count, share=share: share(count))
            for count in sizes:
                rows.measure(
                    f"{network}: {count} networks in one process",
                    lambda network=network, count=count, rates=rates: together(
                        network, count, setting, images, max(rates)
                    ),
                )
