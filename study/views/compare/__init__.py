"""`cops compare`: a comparison of studies, or of methods of studies, and how it is printed."""
