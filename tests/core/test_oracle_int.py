"""Integer, string and stack instructions against the host CPU (tests/core/oracle): registers, flags, x87/SSE state, memory, faults."""
import pytest

from tests.core.oracle.slices import check_piece, pieces


@pytest.mark.parametrize("piece", pieces("int"))
def test_random_instructions_leave_the_state_that_the_host_cpu_leaves(piece):
    check_piece("int", piece)
