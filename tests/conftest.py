"""Fixtures of all tests."""
from tests.machines import make_machine  # noqa: F401
