"""Masked models: weights of which only some are trained, by PyTorch's own parametrizations."""
