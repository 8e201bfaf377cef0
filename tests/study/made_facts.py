"""Facts of trials that never ran: all that a worker reports, made up."""

from typing import Any

from cops_core.facts import Accounting, SelectionManifest
from study.records.facts import TrialFacts

SHA256 = {"data_sha256": "d" * 64, "theta0_sha256": "e" * 64, "mask_sha256": "f" * 64}


def made_facts(density: float = 0.01, **changes: Any) -> TrialFacts:
    """Whole facts of a pruned network of 1000 parameters; `changes` replaces some of them."""
    facts: TrialFacts = {
        "density": density,
        "kept_weights": 90,
        "parameters": 1000,
        "trained_parameters": 100,
        "compression": 10.0,
        "layer_densities": {"fc1.weight": 0.01},
        "connectivity": {
            "size": 900,
            "kept": 90,
            "live": 45,
            "effective_density": 0.05,
            "outputs": 10,
            "live_outputs": 9,
            "collapsed": False,
            "empty_layers": [],
            "dead_layers": [],
            "disconnected_shortcuts": [],
            "live_weights": {"fc1.weight": 45},
        },
        **SHA256,
        "manifest": made_manifest(),
        "scores_computed": {},
        "scores_cached": {},
        "seconds": {"data": 0.1, "model": 0.2, "scoring": 0.3},
        "accounting": made_accounting(),
        "plugins": {},
        "machine": {
            "threads": 1,
            "device": "cpu",
            "gpu": "",
            "cpu": "a",
            "capability": "AVX2",
            "torch": "2.13.0",
        },
        "placed": {"host": "here", "node_id": "1" * 56, "gpus": 0.0, "visible_gpus": "", "resumed_after": 0},
    }
    return {**facts, **changes}


def made_manifest(**changes: Any) -> SelectionManifest:
    """A whole manifest of a selection by SNIP."""
    traits = {"needs_data": True, "needs_second_derivative": False, "normalisation": "train"}
    manifest: SelectionManifest = {
        "scores": {"snip": {**traits, "precision": "model", "signed": False}},
        "model_dtype": "torch.float32",
        "convention": "paper",
        "prunable": "weights",
        "scope": "global",
        "rounds": 1,
        "schedule": "exponential",
        "revive": False,
        "ablation": "none",
        "kappas": [90],
        "sample_indices": [[0, 1]],
        "samples_per_class": 1,
        "class_balanced": True,
        "augmentation": "none",
        "batch_sha256": ["b" * 64],
        "data_sha256": SHA256["data_sha256"],
        "theta0_sha256": SHA256["theta0_sha256"],
        "seed": 0,
        "numerics_version": 1,
        "extensions": {},
        "solutions": {},
        "price_of_control": {},
    }
    return {**manifest, **changes}


def made_accounting(artifact_bytes: float = 500, **changes: Any) -> Accounting:
    """A whole account of that network, stored in so many bytes."""
    accounting: Accounting = {
        "parameters": 1000,
        "trained_parameters": 100,
        "stored_parameters": 100,
        "factor": 10.0,
        "artifact_bytes": artifact_bytes,
        "dense_bytes": 4000,
        "bytes_factor": 4000 / artifact_bytes,
        "mask_bytes": 60,
        "mask_entropy_bytes": 52.5,
        "inference_multiply_adds": 90,
        "training_multiply_adds": 270,
        "dense_inference_multiply_adds": 900,
        "dense_training_multiply_adds": 2700,
        "layers": {"fc1.weight": {"inference": 90, "training": 270}},
        "effective_density": 0.05,
    }
    return {**accounting, **changes}
