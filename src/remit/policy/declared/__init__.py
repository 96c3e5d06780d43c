"""The organisation's own types: what it declared of them, and what Cedar says about questions that name them."""
