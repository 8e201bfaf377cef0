"""Every kind of study that figures and reports must be able to show."""

from collections.abc import Callable

from study.records.trial import StudyTrial


def kinds_of_studies(made: Callable[..., list[StudyTrial]]) -> dict[str, list[StudyTrial]]:
    """Trials of each kind, by its name. made: makes one configuration's trials, as the fixture does."""

    def several(*groups):
        return [trial for group in groups for trial in group]

    dense = made(0, (0.97, 0.98, 0.96), arm="dense")
    rates = several(
        dense,
        made(1, (0.9, 0.91, 0.92), rate="0.9"),
        made(2, (0.6, 0.61, 0.62), rate="0.99"),
        made(3, (0.1, 0.1, 0.1), rate="0.99", arm="prune", status="collapsed"),
        made(4, (0.8, 0.82, 0.81), "snip+synflow", rate="0.99"),
        made(5, (0.7, 0.72, 0.71), "snip+synflow", rate="0.99", level=0.9),
        made(6, (0.5, 0.52, 0.51), "grasp+magnitude", rate="0.99", arm="prune"),
        made(7, (0.5, 0.52, 0.51), "snip+magnitude+synflow", rate="0.9"),
        made(8, (0.3,), "grasp", status="stopped"),
        made(9, (None,), "magnitude", status="failed"),
    )
    searched = several(
        dense[:1],
        *(
            made(1 + place, (0.95 - 0.1 * place,), scores, rate, axis=False)
            for place, (rate, scores) in enumerate(
                (("0.6", "snip"), ("0.95", "snip+synflow"), ("0.97", "grasp"), ("0.999", "grasp+snip"))
            )
        ),
    )
    family = several(
        dense[:1],
        *(
            made(
                1 + place,
                (0.9 - 0.02 * abs(place - 8),),
                # One decade has enough configurations to be described, the other has not.
                rate=f"0.9{place + 10}" if place < 24 else f"0.99{place - 14}",
                arm=("prune", "freeze")[place % 2],
                axis=False,
                selection={
                    "target": {
                        "functional": ("loss", "synflow")[place % 3 == 0],
                        "p": place / 24,
                        "r": (1 + place * 7 % 23) / 12,
                    },
                    "controls": [
                        {"score": name, "level": 0.5} for name in ("grasp", "magnitude")[: place % 3]
                    ],
                },
            )
            for place in range(28)
        ),
    )
    return {
        "nothing": [],
        "only failures": made(0, (None, None), status="failed"),
        "only the dense network": dense,
        "one trial that runs": made(0, (0.5,), status="running"),
        "no dense network": made(1, (0.9,)),
        "rates and seeds": rates,
        "one seed": [trial for trial in rates if trial.seed_index == 0],
        "all collapsed": made(1, (0.1, 0.1), arm="prune", status="collapsed", layers={"fc1.weight": 0.0}),
        "a searched rate": searched,
        "equal accuracies": several(made(1, (0.5, 0.5)), made(2, (0.5, 0.5), "grasp+snip")),
        "two networks": several(
            dense[:2],
            made(1, (0.9, 0.91)),
            made(2, (0.8, 0.81), model="lenet_5_caffe", layers={"conv1.weight": 0.3, "fc1.weight": 0.01}),
            made(3, (0.7, 0.71), "snip+synflow", model="lenet_5_caffe", layers={"conv1.weight": 0.3}),
        ),
        "all arms": several(
            dense[:2],
            *(
                made(1 + place, (0.5 + 0.1 * place, 0.6), "snip+magnitude", arm=arm, **more)
                for place, (arm, more) in enumerate(
                    (("prune", {}), ("freeze", {}), ("scale", {"scale": 0.5}), ("freeze_wd", {}))
                )
            ),
        ),
        "layers and rounds": several(
            made(1, (0.5, 0.6), "snip+magnitude", selection={"scope": "layer"}),
            made(2, (0.5, 0.6), "synflow", selection={"rounds": 100}),
            made(3, (0.4, 0.6), "snip+magnitude", selection={"level_kind": "absolute"}),
        ),
        "the score family": family,
        "a deep network": made(
            1, (0.5, 0.6), model="resnet34", layers={f"layer{number}.weight": 0.01 for number in range(36)}
        ),
    }
