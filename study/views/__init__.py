"""What a person reads: tables in a terminal, one trial, comparisons, figures, the report."""
