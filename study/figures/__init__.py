"""The figures of a study, and the style that all figures share."""
