"""The papers: fixed experiments, and presets whose tables stand beside the published ones."""
