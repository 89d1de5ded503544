"""Fixtures of all tests."""
from tests.loops import loop  # noqa: F401
from tests.machines import make_machine  # noqa: F401
