"""Thin wrappers over the kernel, one file a subject. They raise bare OSError and know nothing of containers."""
