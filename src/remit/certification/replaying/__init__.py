"""Deriving recorded verdicts again."""
