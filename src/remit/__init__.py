"""Remit: the governance plane for AI agents."""
