"""Access requests and approvals: a person lets one very call of an agent pass, once."""
