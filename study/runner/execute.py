"""Runs a study's trials with Ray Tune."""

from ray import tune

from study.run import StudyRun
from study.runner.reporter import RETRIES, Reporter
from study.runner.scheduler import RateScheduler
from study.runner.searcher import StudySearcher
from study.runner.worker import TrialWorker
from study.settings import Settings


def run_trials(run: StudyRun, settings: Settings, gpus: float, concurrency: int | None, folder: str) -> None:
    """Run the study's trials to their end, or until Ctrl-C. folder: for checkpoints, a URI."""
    searcher = StudySearcher(run, settings, gpus)
    tuner = tune.Tuner(
        tune.with_resources(TrialWorker, {"cpu": settings.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=RateScheduler(searcher, run.plan.races, run.plan.epochs),
            num_samples=run.plan.size,
            max_concurrent_trials=concurrency,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=folder,
            verbose=0,
            callbacks=[Reporter(run, searcher)],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
        ),
    )
    try:
        tuner.fit()
    finally:
        run.interrupt()
