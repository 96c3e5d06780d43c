"""Sealed upstream credentials and how they enter an outgoing call."""
