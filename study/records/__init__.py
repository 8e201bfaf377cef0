"""What a study writes down: one record per trial, whole or not at all. All else is a view of them."""
