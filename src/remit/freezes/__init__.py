"""Stops on an instance, agent, owner, credential, tool, server or everything."""
