"""What is displayed: tables in a terminal, one trial, comparisons, figures, the report."""
