"""The page viewer's engine: draws a page of a PDF and finds where a cited text stands on it."""
