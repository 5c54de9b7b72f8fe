"""Bridges, addresses, names and published ports."""
