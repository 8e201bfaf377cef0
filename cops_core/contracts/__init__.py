"""Contracts: what holds for every score, model and data set, as checks that anybody can run.

The project's tests run them over everything that is registered, `cops check` over a plugin's.
"""
