"""A running study: how it is launched, resumed, interrupted and stopped; its progress; Ray."""
