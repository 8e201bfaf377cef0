"""A Ray actor that runs trials, one after the other.

It keeps its process from one trial to the next, so that imports and data are paid for once.
"""

import hashlib
import json
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from ray import tune

from cops_core.cache import ScoreCache
from cops_core.config import parse_config
from cops_core.plugins import Plugin
from cops_core.trainable import Trial
from study.store import ARTIFACTS, StudyStore

ACCURACY = "validation_accuracy"
CHECKPOINT_FILE = "trial.pt"
CHECKPOINT_INTERVAL_S = 30.0


class TrialWorker(tune.Trainable):
    """Runs trials inside a Ray actor, one after the other: an epoch per step."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the first trial."""
        torch.set_num_threads(config["threads"])
        self._trial: Trial | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self._keep_unfinished()
        self._trial = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """The last trial has ended, or was stopped."""
        self._keep_unfinished()

    def _begin(self, config: dict[str, Any]) -> None:
        self._task = config
        self._plugins = tuple(Plugin(**fields) for fields in json.loads(config["plugins"]))
        self._extensions = {plugin.name: plugin.sha256 for plugin in self._plugins}
        self._reported_facts = False
        self._checkpointed = time.monotonic()

    def _prepared(self) -> Trial:
        """The trial, built at its first use: what goes wrong is then a result of that trial."""
        if self._trial is None:
            if self._plugins:
                # Brings Optuna along, which a trial without plugins has no use for.
                from search_spaces.plugins import load_plugins

                load_plugins(self._plugins)
            config = parse_config(json.loads(self._task["trial"]))
            device = "cuda" if self._task["gpu"] else "cpu"
            self._trial = Trial(
                config,
                data_root=Path(self._task["data_root"]),
                device=device,
                extensions=self._extensions,
                cache=ScoreCache(Path(self._task["score_cache"])),
            )
        return self._trial

    def step(self) -> dict[str, Any]:
        """Train an epoch. An exception ends the trial as failed, with its reason: it would recur."""
        try:
            trial = self._prepared()
            result: dict[str, Any] = trial.step().row()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            return {
                "status": "failed",
                "reason": reason,
                "trace": traceback.format_exc(),
                ACCURACY: 0.0,
                "done": True,
            }
        result |= {"status": trial.status, "done": trial.done}
        if trial.done:
            self._keep_artifact(trial)
        if not self._reported_facts or trial.done:
            # As text: Tune would flatten it and carry every number through its event loop.
            result["facts"] = json.dumps({**trial.facts, "plugins": self._extensions})
            self._reported_facts = True
        if not trial.done and time.monotonic() - self._checkpointed > CHECKPOINT_INTERVAL_S:
            self._checkpointed = time.monotonic()
            result["should_checkpoint"] = True
        return result

    def _keep_artifact(self, trial: Trial) -> None:
        """Write the trained network into the study's storage; a full disk does not undo the training."""
        content, name = trial.artifact(), f"{ARTIFACTS}/{self._task['name']}.safetensors"
        try:
            StudyStore(self._task["storage"], self._task["study"]).write(name, content)
        except OSError as error:
            trial.facts["artifact_missing"] = f"{type(error).__name__}: {error}"
            return
        trial.facts["artifact"] = {"file": name, "sha256": hashlib.sha256(content).hexdigest()}

    def _keep_unfinished(self) -> None:
        """Keep the network of a trial that was stopped: nobody tells a trial so, the next one begins."""
        if self._trial is not None and not self._trial.done:
            self._keep_artifact(self._trial)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the trial's state; a trial that could not be built has none."""
        if self._trial is not None:
            self._trial.save(Path(checkpoint_dir) / CHECKPOINT_FILE)

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Go on from a state that `save_checkpoint` wrote."""
        file = Path(checkpoint) / CHECKPOINT_FILE
        if file.exists():
            self._prepared().load(file)
