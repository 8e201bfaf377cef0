"""A Ray actor that runs trials, one after the other.

It keeps its process between trials, so that modules and data are loaded once. Checkpoints are in the study's
storage: a worker that receives a trial checks there first whether it can be resumed.
"""

import gc
import hashlib
import json
import os
import socket
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
import torch
from ray import tune

from cops_core.cache import ScoreCache
from cops_core.config import parse_config
from cops_core.errors import DivergedError, InfeasibleError, InputError
from cops_core.machine import machine
from cops_core.own_trial import AnyTrial, start_trial
from cops_core.placement import release
from cops_core.plugins import Plugin
from study.records.facts import KeptNetwork, TrialFacts, TrialLocation
from study.records.store import ARTIFACTS, CHECKPOINTS, OWNER_FILE, STATE_FILE, StudyStore
from study.run.ray.fitness.before_trial import UNFIT, UnfitError, check_this_node, refused
from study.run.ray.shared_data import received

OUT_OF_MEMORY = ("out of memory", "can't allocate memory")  # parts of torch's messages


class TrialWorker(tune.Trainable):
    """Runs trials in a Ray actor, one after the other, with an epoch per step."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """The resources of a trial. A worker is reused for trials with the same resources."""
        return tune.PlacementGroupFactory([{"CPU": config["threads"], "GPU": config["gpus"]}])

    def setup(self, config: dict[str, Any]) -> None:
        """Start the first trial."""
        gc.freeze()  # imported objects stay: to search them for garbage takes a tenth of a second
        torch.set_num_threads(config["threads"])
        self._trial: AnyTrial | None = None
        self._assign(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start the next trial in the same process."""
        self._keep_unfinished()
        self._forget()
        self._assign(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: the study has its own checkpoints, see `_checkpoint`."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: see `save_checkpoint`."""

    def cleanup(self) -> None:
        """Store the last trial's network and checkpoint, if it has not ended."""
        self._keep_unfinished()
        if self._trial is not None and not self._trial.done:
            self._checkpoint(self._trial)

    def _assign(self, config: dict[str, Any]) -> None:
        self._task = config
        self._plugins = tuple(Plugin(**fields) for fields in json.loads(config["plugins"]))
        self._extensions = {plugin.name: plugin.sha256 for plugin in self._plugins}
        self._store = StudyStore(config["storage"], config["study"])
        self._owner, self._claimed = uuid4().hex, False
        self._resumed_after = 0
        self._reported = 0
        self._reported_facts = False
        self._kept: KeptNetwork = {}
        self._checkpointed = time.monotonic()

    def _prepared(self) -> AnyTrial:
        """The trial, built at its first use, so that errors are reported as its result."""
        if self._trial is None:
            check_this_node(self._task["code_sha256"], self._task["device"], self._plugins, self._store)
            trial = start_trial(
                parse_config(json.loads(self._task["trial"])),
                data=received(self._task["data"][0]) if self._task["data"] else None,
                device=self._task["device"],
                extensions=self._extensions,
                cache=ScoreCache(Path(self._task["score_cache"])),
            )
            self._take_over(trial)
            self._trial = trial
        return self._trial

    def _take_over(self, trial: AnyTrial) -> None:
        """Claim the trial, and load its last checkpoint if there is one."""
        try:
            self._store.write(self._owner_file, self._owner.encode())
            self._claimed = True
        except PermissionError as error:
            raise refused(error) from error
        except OSError:
            pass  # a full disk: then there is no checkpoint to claim
        with suppress(OSError, InputError):  # without a readable checkpoint the trial starts again
            trial.load_state(self._store.read(self._checkpoint_file))
            self._resumed_after = len(trial.history)

    @property
    def _checkpoint_file(self) -> str:
        return f"{CHECKPOINTS}/{self._task['name']}{STATE_FILE}"

    @property
    def _owner_file(self) -> str:
        return f"{CHECKPOINTS}/{self._task['name']}{OWNER_FILE}"

    def step(self) -> dict[str, Any]:
        """Train an epoch. An exception ends the trial, since it would be raised again."""
        try:
            trial = self._prepared()
            if not trial.done and len(trial.history) == self._reported:
                trial.step()
        except InfeasibleError as error:
            return _ended("infeasible", str(error))
        except DivergedError as error:
            return _ended("diverged", str(error))
        except UnfitError as error:
            return _ended(UNFIT, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            failed = _ended(
                "out_of_memory" if _no_memory(error) else "failed", reason, traceback.format_exc()
            )
        else:
            return self._report(trial)
        self._forget()  # not before: the exception refers to the trial's memory
        return failed

    def _report(self, trial: AnyTrial) -> dict[str, Any]:
        """The new epochs and facts of the trial."""
        # After a checkpoint all of its epochs are reported: the driver may not have received the last ones.
        rows = [metrics.row() for metrics in trial.history[self._reported :]]
        self._reported = len(trial.history)
        result: dict[str, Any] = {
            "rows": json.dumps(rows),  # as text: Tune would flatten it
            "status": trial.status,
            "done": trial.done,
        }
        if time.monotonic() - self._checkpointed >= self._task["checkpoint_s"]:
            self._checkpoint(trial)
        if trial.done:
            self._keep_artifact(trial)
        if not self._reported_facts or trial.done:
            result["facts"] = json.dumps(self._facts(trial))
            self._reported_facts = True
        return result

    def _forget(self) -> None:
        """Release the trial's memory for the next trial, or another process on the same GPU."""
        self._trial = None
        release()

    def _facts(self, trial: AnyTrial) -> TrialFacts:
        return {
            **trial.facts,
            **self._kept,
            "plugins": self._extensions,
            "machine": machine(str(trial.device)),
            "placed": self._placed(),
        }

    def _placed(self) -> TrialLocation:
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        return {
            "host": socket.gethostname(),
            "node_id": node,
            "gpus": self._task["gpus"],
            "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "resumed_after": self._resumed_after,
        }

    def _checkpoint(self, trial: AnyTrial) -> None:
        """Write a checkpoint, from which another worker can resume. A full disk does not end the trial."""
        self._checkpointed = time.monotonic()
        if self._owns():
            with suppress(OSError):
                self._store.write(self._checkpoint_file, trial.state())

    def _owns(self) -> bool:
        """Whether this worker still owns the trial. Another may have it, if this one seemed to be dead."""
        try:
            return self._store.read(self._owner_file).decode() == self._owner
        except FileNotFoundError:
            return not self._claimed  # the claims are removed when the study ends
        except OSError:
            return True

    def _keep_artifact(self, trial: AnyTrial) -> None:
        """Write the trained network into the storage. If the disk is full, the results are kept."""
        if not self._owns():
            return
        content, name = trial.artifact(), f"{ARTIFACTS}/{self._task['name']}.safetensors"
        try:
            self._store.write(name, content)
        except OSError as error:
            self._kept = {"artifact_missing": f"{type(error).__name__}: {error}"}
            return
        self._kept = {"artifact": {"file": name, "sha256": hashlib.sha256(content).hexdigest()}}

    def _keep_unfinished(self) -> None:
        """Store the network of a trial that was stopped: the worker only notices that the next one starts."""
        if self._trial is not None and not self._trial.done:
            self._keep_artifact(self._trial)


def _ended(status: str, reason: str, log: str = "") -> dict[str, Any]:
    """The last result of a trial that reports no more epochs."""
    return {"rows": "[]", "status": status, "reason": reason, "log": log, "done": True}


def _no_memory(error: BaseException) -> bool:
    """Whether the device or the machine has less memory than the trial needs."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if error.__cause__ is not None and _no_memory(error.__cause__):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
