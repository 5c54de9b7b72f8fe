"""pier: the Docker workflow without a daemon."""

__version__ = "0.1.0"
