"""A running study: launched, resumed, interrupted, stopped and ended; its progress; Ray."""
