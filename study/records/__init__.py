"""What a study writes to disk: one record per trial, complete or not at all. All else follows."""
