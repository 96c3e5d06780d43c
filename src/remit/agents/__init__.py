"""Registered software principals: owner, purposes, version, lifecycle."""
