"""The slice of the campaign that CI runs: 2,000,000 tests, cut into pieces that pytest-xdist can spread."""
import atexit

import pytest

from tests.core.oracle import host
from tests.core.oracle.campaign import BATCH, Runner

SEED = 20111201
PIECE = 4 * BATCH                   # 65,536 tests
PIECES = {"int": 11, "fpu": 7, "sse": 8, "block": 5}        # 31 pieces: 2,031,616 tests

_runner = None


def pieces(family):
    return range(PIECES[family])


def check_piece(family, piece):
    """Run one piece; fails with the reports of what differed."""
    global _runner
    missing = host.unavailable()
    if missing:
        pytest.skip(missing)
    if _runner is None:
        _runner = Runner()
        atexit.register(_runner.close)
    texts, wrong = [], 0
    for number in range(piece * PIECE // BATCH, (piece + 1) * PIECE // BATCH):
        outcome = _runner.run(family, SEED, number)
        wrong += outcome.mismatches
        texts += [body for _, body in outcome.reports]
    assert wrong == 0, f"{wrong} of {PIECE} tests differ from the host CPU\n" + "\n\n".join(texts[:12])
