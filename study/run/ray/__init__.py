"""Ray: spreads a study's trials over the cluster. The only package that imports it.

`worker` runs inside Ray's actors, `searcher` and `reporter` inside the driver's event
loop, `cluster` connects, `execute` puts them together.
"""

import os

# Ray and Tune read these when they are imported, which every module of this package does after this.
#  uv: a driver under `uv run` would make every worker build an environment of its own.
#  Pending trials: the searcher knows how many there may be, and a cluster grows by them.
#  Preemption: a trial whose node was taken away is handed out again by the study, and not by Tune.
#  Ctrl-C: the study decides what comes of it, see `study.run.interrupt`.
#  Loggers and reporters: Tune's own write a file per trial and print boxes; ours replace them.
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
