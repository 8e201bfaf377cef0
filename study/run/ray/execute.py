"""Runs a study's trials with Ray Tune."""

import logging
from tempfile import TemporaryDirectory

import ray
from ray import tune

from study.run.ray.allocation import Allocation
from study.run.ray.deaths import Deaths
from study.run.ray.nodes import alive_nodes
from study.run.ray.reporter import Reporter
from study.run.ray.searcher import StudySearcher
from study.run.ray.shared_data import DataShare
from study.run.ray.shares import Shares
from study.run.ray.worker import TrialWorker
from study.run.study_run import StudyRun
from study.settings import Settings

# The study records a worker's death; Tune would print its traceback over the live view.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def run_trials(run: StudyRun, settings: Settings, allocation: Allocation, data: DataShare) -> None:
    """Run the study's trials until it ends or is stopped.

    Args:
        run: The study.
        settings: The study's.
        allocation: The resources of each trial.
        data: Sends the data sets to the nodes.
    """
    searcher = StudySearcher(run, settings, Shares(allocation.gpus), data, allocation.concurrency)
    deaths = Deaths(lambda: {node.id for node in alive_nodes()}, own=ray.get_runtime_context().get_node_id())
    reporter = Reporter(run, searcher, deaths)
    # Tune must write its own state. It is not needed, and a full disk in the home must not end the study.
    with TemporaryDirectory(prefix="cops-tune-", ignore_cleanup_errors=True) as folder:
        tuner = tune.Tuner(
            TrialWorker,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,  # until the searcher returns FINISHED
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                verbose=0,
                stop=reporter,
                callbacks=[reporter],
                failure_config=tune.FailureConfig(max_failures=0),
                # Workers write checkpoints themselves, into the study's storage.
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        finally:
            run.interrupt()
        if reporter.error is not None:
            raise reporter.error
