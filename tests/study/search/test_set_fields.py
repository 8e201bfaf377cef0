"""Fields that a study sets for all trials: all have them, and the sampler does not search them."""

FIELDS = {"model": "mlp_512", "learning_rate": 0.125}


def test_all_trials_have_the_fields_of_the_study(search_plan):
    plan = search_plan(**FIELDS)
    for config in (*plan.baselines, *plan.samples):
        assert (config.model, config.training.learning_rate) == tuple(FIELDS.values())
    slots = [slot for slot in plan.queue.left if slot.method is not None]
    made = [plan.proposals.make(number, slot) for number, slot in enumerate(slots[:2])]
    for configuration in made:  # the sampler learns from them, without the learning rate
        assert configuration.config.training.learning_rate == 0.125
        assert "arm" in configuration.parameters
        assert "learning_rate" not in configuration.parameters
