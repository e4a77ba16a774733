"""Losses of BYOT self-distillation."""
