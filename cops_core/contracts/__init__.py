"""Contracts: what must be true for every score, model and data set, as checks.

The project's tests run the checks for all registered components, `cops check` for those of plugins.
"""
