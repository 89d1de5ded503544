"""A front end for character devices."""
import pytest

from tests.loops import FrontEnd


@pytest.fixture
def front_end():
    return FrontEnd
