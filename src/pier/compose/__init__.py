"""Compose files into engine verbs."""
