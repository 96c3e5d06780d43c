"""Composition root, settings, operators' authentication, the ASGI application."""
