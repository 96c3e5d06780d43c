"""Purposes and boundaries: the upper bounds that humans approved."""
