"""Configurations (the files people edit), and how they are loaded and checked."""
