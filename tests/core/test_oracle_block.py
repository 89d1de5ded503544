"""Short blocks, with loops and self-modifying code, against the host CPU (tests/core/oracle/blocks.py)."""
import pytest

from tests.core.oracle.slices import check_piece, pieces


@pytest.mark.parametrize("piece", pieces("block"))
def test_random_blocks_leave_the_state_that_the_host_cpu_leaves(piece):
    check_piece("block", piece)
