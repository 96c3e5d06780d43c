"""Narrower boundaries from what was really used."""
