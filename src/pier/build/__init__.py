"""Dockerfiles into images."""
