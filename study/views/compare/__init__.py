"""`cops compare`: studies, or methods of studies, held side by side, and how that is shown."""
