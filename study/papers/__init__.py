"""The papers: fixed experiments, and the tables of presets compared with the published ones."""
