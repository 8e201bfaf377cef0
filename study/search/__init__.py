"""Which trial is run next, and which is stopped early: plans, samplers, early stopping, seeds."""
