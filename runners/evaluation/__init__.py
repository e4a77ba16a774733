"""Forecasts of files, scored: windows, metrics, naive references, report."""
