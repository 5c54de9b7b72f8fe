"""Rendering: templates, tables, progress."""
