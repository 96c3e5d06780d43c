"""Names, clock, errors and canonical JSON: what every room may use. Closed; a fifth file needs an ADR."""
