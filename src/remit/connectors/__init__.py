"""Connectors: records that other systems keep, read into Remit's own words."""
