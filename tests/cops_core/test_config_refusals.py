"""Every wrong value of a configuration is one line that says what to write instead."""

import pytest

from cops_core.config import parse_config

SNIP = {"target": "snip"}
PRUNED = {"arm": "prune", "selection": SNIP, "density": "0.1"}


def controlled(*controls, **selection):
    return {"arm": "prune", "selection": {"target": "snip", "controls": controls, **selection}}


# Every wrong value, and the words of the line that says what to write instead.
WRONG = {
    "a number": (3, "valid dictionary"),
    "nothing": (None, "valid dictionary"),
    "a list": ([], "valid dictionary"),
    "unknown field": ({"sed": 1}, "unknown field 'sed': did you mean 'seed'"),
    "unknown field of training": (
        {"training": {"learning_rat": 0.1}},
        "training: unknown field 'learning_rat': did you mean 'learning_rate'",
    ),
    "unknown field of selection": (
        {"arm": "prune", "selection": {"targets": "snip"}},
        "selection: unknown field 'targets': did you mean 'target'",
    ),
    "unknown field of a control": (
        controlled({"score": "synflow", "levels": 1}),
        r"selection\.controls\.0: unknown field 'levels': did you mean 'level'",
    ),
    "field in two lines": ({"se\ned": 1}, r"unknown field 'se\\ned'.*did you mean 'seed'"),
    "field that is no word": ({3: 1}, r"unknown field '3'.*known: arm, dataset, density"),
    "unknown score": (
        {"arm": "prune", "selection": {"target": "snpi"}},
        "unknown score 'snpi': did you mean 'snip'",
    ),
    "unlike any score": (
        {"arm": "prune", "selection": {"target": "best"}},
        r"selection\.target: unknown score 'best'.*known: fisher, gradient, grasp, magnitude",
    ),
    "unknown control": (
        controlled({"score": "synflo", "level": 0.5}),
        r"selection\.controls\.0\.score: unknown score 'synflo': did you mean 'synflow'",
    ),
    "unknown model": ({"model": "lenet_5"}, "unknown model 'lenet_5'.*known: lenet_300_100, lenet_5_caffe"),
    "model near miss": ({"model": "lenet_300_10"}, "did you mean 'lenet_300_100'"),
    "unknown data set": ({"dataset": "mnits"}, "unknown data set 'mnits': did you mean 'mnist'"),
    "data set that is no word": ({"dataset": 3}, "dataset: Input should be a valid string"),
    "unknown initialization": ({"initialization": "xavier"}, "did you mean 'xavier_normal'"),
    "unknown arm": (
        {"arm": "pruned"},
        "unknown arm 'pruned': did you mean 'prune'",
    ),
    "scale without a constant": (
        {**PRUNED, "arm": "scale"},
        r"scale and arm 'scale' need each other.*e\.g\. .*scale=0\.5",
    ),
    "a constant of another arm": ({**PRUNED, "scale": 0.5}, "scale and arm 'scale' need each other"),
    "scale of frozen": ({**PRUNED, "arm": "scale", "scale": 1}, "scale: Input should be less than 1"),
    "scale of pruned": ({**PRUNED, "arm": "scale", "scale": 0}, "scale: Input should be greater than 0"),
    "unknown schedule": (
        {"training": {"schedule": "cosin"}},
        "training: unknown schedule 'cosin': did you mean 'cosine'",
    ),
    "unknown precision": (
        {"training": {"precision": "float16"}},
        "training: unknown precision 'float16': did you mean 'bfloat16'",
    ),
    "unknown augmentation": (
        {"training": {"augmentation": "flip"}},
        "training: unknown augmentation 'flip': did you mean 'crop_flip'",
    ),
    "unknown convention": (controlled(convention="grap"), "unknown convention 'grap': did you mean 'grasp'"),
    "unknown ablation": (
        controlled(ablation="reinit"),
        "selection: unknown ablation 'reinit': did you mean 'reinitialize'",
    ),
    "unknown schedule of rounds": (
        controlled(rounds=2, schedule="cosine"),
        r"unknown schedule 'cosine' \(known: exponential, linear\)",
    ),
    "settings of rounds in one shot": (
        controlled(schedule="linear", fresh_batches=True),
        "schedule, fresh_batches without effect in one round: write rounds=2 or more",
    ),
    "unknown kind of level": (
        controlled(level_kind="rel"),
        "unknown level kind 'rel': did you mean 'relative'",
    ),
    "a combination without controls": (
        {**PRUNED, "selection": {"target": "snip", "combine": "union"}},
        "combine 'union' needs a second score: write e.g. controls=",
    ),
    "a combination without a share for the target": (
        controlled({"score": "synflow", "level": 0.4}, {"score": "random", "level": 0.6}, combine="weighted"),
        r"combine 'weighted' with levels \[0.4, 0.6\]: they are the controls' shares, .* write less than 1",
    ),
    "levels of a combination that has none": (
        controlled(
            {"score": "synflow", "level": 0.4}, combine="weighted", if_infeasible="end", level_kind="absolute"
        ),
        "level_kind, if_infeasible without effect with combine 'weighted': leave out",
    ),
    "unknown combination": (controlled(combine="unoin"), "unknown combine 'unoin': did you mean 'union'"),
    "rewound before training": (controlled(rewind=1), "rewind 1 without effect before training: write at="),
    "rewound to a fraction": (
        controlled(at="trained", rewind=0.5),
        r"rewind: 0\.5 is not an epoch: write e\.g\. 0 for the initial weights, or 'learning_rate'",
    ),
    "rewound to a word": (controlled(at="trained", rewind="lr"), "rewind: 'lr' is not an epoch: write"),
    "rewound to before the start": (controlled(at="trained", rewind=-1), "rewind: -1 is not an epoch"),
    "rewound to the last epoch": (
        {**controlled(at="trained", rewind=3), "training": {"epochs": 3}},
        r"rewind 3 of 3 epochs leaves none to train: write fewer, e\.g\. 1",
    ),
    "rewound and frozen": (
        {**controlled(at="trained", rewind=1), "arm": "freeze"},
        "arm 'freeze' with rewind 1: a seed gives .* write arm='prune', or rewind=0",
    ),
    "trained and frozen": (
        {**controlled(at="trained", rewind="learning_rate"), "arm": "freeze_wd"},
        "arm 'freeze_wd' with rewind 'learning_rate'",
    ),
    "revived after training": (
        controlled(at="trained", rounds=2, revive=True),
        "revive with at 'trained': removed weights have no trained value, leave it out",
    ),
    "two yardsticks at once": (
        controlled(at="trained", regrow={"every": 5}),
        "regrow with at 'trained': these are two yardsticks, leave one of them out",
    ),
    "rewound and re-initialised": (
        controlled(at="trained", rewind=1, ablation="reinitialize"),
        "ablation 'reinitialize' with rewind 1: .* write rewind=0",
    ),
    "unknown network to score": (controlled(at="trian"), "unknown at 'trian': did you mean 'trained'"),
    "unknown scope": (
        controlled(scope="local"),
        r"unknown scope 'local': .* \(known: balanced, erk, global, layer\)",
    ),
    "density zero": ({**PRUNED, "density": 0}, "density: Input should be greater than 0"),
    "density negative": ({**PRUNED, "density": "-0.1"}, "density: Input should be greater than 0"),
    "density above one": ({**PRUNED, "density": "1.01"}, "density: Input should be less than or equal to 1"),
    "density a percentage": ({**PRUNED, "density": 5}, "density: Input should be less than or equal to 1"),
    "density NaN": ({**PRUNED, "density": "NaN"}, "density: Input should be a finite number"),
    "density a word": ({**PRUNED, "density": "small"}, "density: Input should be a valid decimal"),
    "level above one": (
        controlled({"score": "synflow", "level": 1.1}),
        r"controls\.0\.level: Input should be less than or equal to 1",
    ),
    "level negative": (
        controlled({"score": "synflow", "level": -0.1}),
        "level: Input should be greater than or equal to 0",
    ),
    "level NaN": (controlled({"score": "synflow", "level": float("nan")}), "level: Input should be"),
    "level missing": (controlled({"score": "synflow"}), r"controls\.0\.level: Field required"),
    "target missing": ({"arm": "prune", "selection": {}}, r"selection\.target: Field required"),
    "control is the target": (
        controlled({"score": "snip", "level": 0.5}),
        r"selection: scores \['snip', 'snip'\] repeat one: .* all differ",
    ),
    "a score that is neither a name nor a member": (
        {"arm": "prune", "selection": {"target": 3}},
        r"selection\.target: Input should be a valid string, or a member of the family",
    ),
    "unknown functional of a target": (
        {"arm": "prune", "selection": {"target": {"functional": "los"}}},
        r"selection\.target: functional: unknown functional 'los': did you mean 'loss'",
    ),
    "unknown field of a member": (
        controlled({"score": {"functional": "loss", "q": 1}, "level": 0.5}),
        r"selection\.controls\.0\.score: unknown field 'q'",
    ),
    "power above two": (
        {"arm": "prune", "selection": {"target": {"functional": "loss", "p": 2.5}}},
        r"selection\.target: p: Input should be less than or equal to 2",
    ),
    "both powers zero": (
        {"arm": "prune", "selection": {"target": {"p": 0, "r": 0}}},
        r"selection\.target: p = r = 0 gives all weights the same score",
    ),
    "a member twice": (
        controlled(
            {"score": {"functional": "loss", "p": 2}, "level": 0.5},
            {"score": {"functional": "loss", "p": 2.0}, "level": 0.2},
        ),
        r"\['snip', 'gss\(loss, 2, 1\)', 'gss\(loss, 2, 1\)'\] repeat one: .* all differ",
    ),
    "a member that is the target by another name": (
        controlled({"score": {"functional": "loss"}, "level": 0.5}),
        r"\['snip', 'gss\(loss, 1, 1\)'\] repeat one: .* all differ",
    ),
    "absolute level of a signed member": (
        controlled({"score": {"functional": "loss", "form": "signed"}, "level": 0.5}, level_kind="absolute"),
        r"'absolute' with \['gss\(loss, signed\)'\], which can be negative: write 'relative'",
    ),
    "control twice": (
        controlled({"score": "synflow", "level": 0.5}, {"score": "synflow", "level": 0.2}),
        "repeat one: .* all differ",
    ),
    "absolute level of a signed score": (
        controlled({"score": "grasp", "level": 0.5}, level_kind="absolute"),
        r"'absolute' with \['grasp'\], which can be negative: write 'relative'",
    ),
    "no batch": (controlled(batches=0), "Input should be greater than or equal to 1"),
    "a temperature of no score": (
        controlled({"score": "synflow", "level": 0.4}, temperature=2),
        "temperature 2 without effect on snip, synflow: leave it out, or write e.g. target='grasp'",
    ),
    "steps of no score": (
        controlled({"score": "synflow", "level": 0.4}, steps={"count": 1}),
        "steps 1 at 0.1 without effect on snip, synflow: leave it out, or write e.g. target='prospr'",
    ),
    "steps as a number": (
        {**PRUNED, "selection": {"target": "prospr", "steps": 3}},
        "3 does not say how ProsPr looks ahead: write e.g. Steps",
    ),
    "negative steps": (
        {**PRUNED, "selection": {"target": "prospr", "steps": {"count": -1}}},
        "Input should be greater than or equal to 0",
    ),
    "no temperature": (
        {**PRUNED, "selection": {"target": "grasp", "temperature": 0}},
        "Input should be greater than 0",
    ),
    "no samples": (controlled(samples_per_class=0), "Input should be greater than or equal to 1"),
    "dense with selection": ({"selection": SNIP}, "arm 'dense' trains every weight: leave selection and"),
    "dense with density": ({"density": "0.5"}, "arm 'dense' trains every weight: leave selection and"),
    "prune without selection": (
        {"arm": "prune", "density": "0.5"},
        r"arm 'prune' needs a selection, e\.g\. Selection\(target='snip'\)",
    ),
    "freeze without selection": ({"arm": "freeze"}, "arm 'freeze' needs a selection"),
    "learning rate NaN": ({"training": {"learning_rate": float("nan")}}, "Input should be a finite number"),
    "learning rate infinite": (
        {"training": {"learning_rate": float("inf")}},
        "Input should be a finite number",
    ),
    "learning rate zero": ({"training": {"learning_rate": 0}}, "Input should be greater than 0"),
    "momentum one": ({"training": {"momentum": 1}}, r"training\.momentum: Input should be less than 1"),
    "momentum NaN": ({"training": {"momentum": float("nan")}}, r"training\.momentum: Input should be"),
    "unknown optimizer": (
        {"training": {"optimizer": "adam"}},
        "training: unknown optimizer 'adam': did you mean 'adamw'",
    ),
    "momentum with AdamW": (
        {"training": {"optimizer": "adamw", "momentum": 0.5, "nesterov": True}},
        "training: momentum, nesterov without effect with optimizer 'adamw': leave out.*optimizer='sgd'",
    ),
    "betas with SGD": (
        {"training": {"betas": [0.9, 0.95], "eps": 1e-6}},
        "training: betas, eps without effect with optimizer 'sgd': leave out.*optimizer='adamw'",
    ),
    "nesterov without momentum": (
        {"training": {"nesterov": True, "momentum": 0}},
        r"training: nesterov needs a momentum: write e\.g\. momentum=0\.9",
    ),
    "beta one": (
        {"training": {"optimizer": "adamw", "betas": [0.9, 1]}},
        r"training\.betas\.1: Input should be less than 1",
    ),
    "one beta": (
        {"training": {"optimizer": "adamw", "betas": [0.9]}},
        r"training\.betas\.1: Field required",
    ),
    "eps zero": (
        {"training": {"optimizer": "adamw", "eps": 0}},
        r"training\.eps: Input should be greater than 0",
    ),
    "nothing but warm-up": (
        {"training": {"epochs": 3, "warmup_epochs": 3}},
        "training: warmup_epochs 3 of 3 epochs leave no step at the learning rate: write fewer",
    ),
    "warm-up negative": (
        {"training": {"warmup_epochs": -1}},
        r"training\.warmup_epochs: Input should be greater than or equal to 0",
    ),
    "labels smoothed away": (
        {"training": {"label_smoothing": 1}},
        r"training\.label_smoothing: Input should be less than 1",
    ),
    "gradients clipped to zero": (
        {"training": {"max_gradient_norm": 0}},
        r"training\.max_gradient_norm: Input should be greater than 0",
    ),
    "weight decay negative": (
        {"training": {"weight_decay": -1e-4}},
        "weight_decay: Input should be greater than or equal to 0",
    ),
    "weight decay infinite": ({"training": {"weight_decay": float("inf")}}, "Input should be a finite"),
    "step factor NaN": ({"training": {"step_factor": float("nan")}}, "step_factor: Input should be"),
    "step factor zero": ({"training": {"step_factor": 0}}, "step_factor: Input should be greater than 0"),
    "step never": ({"training": {"step_every": 0}}, "step_every: Input should be greater than or equal to 1"),
    "no epochs": ({"training": {"epochs": 0}}, "epochs: Input should be greater than or equal to 1"),
    "half an epoch": ({"training": {"epochs": 1.5}}, "epochs: Input should be a valid integer"),
    "empty batches": ({"training": {"batch_size": 0}}, "Input should be greater than or equal to 1"),
    "no training": ({"training": None}, "training: Input should be a valid dictionary"),
    "seed negative": ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
    "seed of 33 bits": ({"seed": 2**32}, "seed: Input should be less than 4294967296"),
    "seed a word": ({"seed": "lucky"}, "seed: Input should be a valid integer"),
    "nothing held out": ({"validation_fraction": 0}, "validation_fraction: Input should be greater than 0"),
    "everything held out": ({"validation_fraction": 1}, "validation_fraction: Input should be less than 1"),
    "two mistakes": ({"seed": -1, "model": "lenet"}, "model: unknown .*; seed: Input should be"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_is_one_line(wrong, refused):
    data, words = WRONG[wrong]
    with refused(words):
        parse_config(data)
