"""FLDCW; FISTP; FLDCW in host code, which need not load the control word, against the host CPU (tests/core/oracle/truncation.py)."""
from functools import partial

import pytest

from tests.core.oracle import host
from tests.core.oracle.campaign import Runner, engine_batch


@pytest.fixture(scope="module")
def runner():
    missing = host.unavailable()
    if missing:
        pytest.skip(missing)
    runner = Runner(partial(engine_batch, tier=0))
    yield runner
    runner.close()


@pytest.mark.parametrize("number", range(4))
def test_conversions_leave_the_state_that_the_host_cpu_leaves(runner, number):
    outcome = runner.run("truncation", 20261129, number)
    assert outcome.mismatches == 0, "\n\n".join(body for _, body in outcome.reports[:12])
