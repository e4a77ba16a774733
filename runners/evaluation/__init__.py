"""Forecasts of tables, scored: `evaluate_model` and `Protocol`. See docs/evaluation.md."""

from runners.evaluation.protocol import Protocol
from runners.evaluation.scoring import evaluate_model

__all__ = ["Protocol", "evaluate_model"]
