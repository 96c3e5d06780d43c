"""Who is calling: from a presented credential to an agent and an instance."""
