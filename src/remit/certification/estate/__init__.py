"""Whole estates at once: use rolled up by the day, habits, and verdicts on everything, for up to millions."""
