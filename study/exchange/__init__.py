"""`cops export` and `cops import`: results as files, and configurations of other Optuna studies.

How a study becomes Optuna studies is in `study/search/exchange.py` and `study/search/optuna_file.py`.
"""
