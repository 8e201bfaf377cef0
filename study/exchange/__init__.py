"""`cops export` and `cops import`: results taken elsewhere and back, and other people's configurations.

What this makes of Optuna's side stands in `study/search/exchange.py` and `study/search/optuna_file.py`.
"""
