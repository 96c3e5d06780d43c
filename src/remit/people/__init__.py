"""Owners and their backups."""
