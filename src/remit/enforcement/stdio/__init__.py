"""MCP servers that are commands: one process for each agent, spoken to over its standard streams."""
