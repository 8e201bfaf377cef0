"""Ray: runs a study's trials on this machine or a cluster. The only package that imports it.

`worker` runs in Ray's actors, `searcher` and `reporter` run in the driver's event loop, `cluster` connects,
and `execute` combines them.
"""

import os

# Ray and Tune read these when they are imported: the modules of this package do that after this file.
#  uv: a driver under `uv run` would make every worker build its own environment.
#  Pending trials: the searcher limits their number, and an autoscaler needs them to start nodes.
#  Preemption: the study, and not Tune, hands out a trial again whose node was taken away.
#  Ctrl-C: the study handles it, see `study.run.interrupt`.
#  Loggers and reporters: those of Tune write a file per trial and print boxes; ours replace them.
for _name, _value in {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}.items():
    os.environ.setdefault(_name, _value)
