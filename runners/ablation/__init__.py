"""Paired runs of several arms: their folders and their report."""
