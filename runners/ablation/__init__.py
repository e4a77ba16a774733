"""Paired runs of several arms: folders, results and report."""
