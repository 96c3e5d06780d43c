"""What can be reached: servers, their pinned tools and risk tiers."""
