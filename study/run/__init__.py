"""How a study is conducted: launched, gone on with, interrupted, stopped and ended."""
