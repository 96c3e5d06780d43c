"""Certification: what the record of use says of every entitlement, and the transitions that follow."""
