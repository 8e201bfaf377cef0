"""Studies: Ray Tune spreads the trials, Optuna proposes them, MLflow logs every one."""
