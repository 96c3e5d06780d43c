"""The demo's servers, agents and story."""
