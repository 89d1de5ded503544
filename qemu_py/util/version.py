"""The package's version, in the one place that all layers may read."""
__version__ = "0.1.0"
