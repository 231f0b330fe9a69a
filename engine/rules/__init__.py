"""Answers to simple questions, at once and without the model."""

from engine.rules.base import RuleContext
from engine.rules.book import Rules

__all__ = ["RuleContext", "Rules"]
