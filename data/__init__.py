"""Corpora of series: their format, the windows drawn from them, and how they are made."""
