"""Which trial comes next, and which goes on: plans, samplers, early stopping, seeds."""
