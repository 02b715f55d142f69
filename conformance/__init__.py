"""A conformance suite for the cancel endpoint of a task API: tests make stories, checks judge stories."""

__version__ = "0.1.0"
