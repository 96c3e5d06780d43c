"""The files in which desktop agents keep their MCP servers: found, read, and changed by one entry at a time."""
