"""The interpreter and host code, with and without chaining, agree in every bit of state, on any host (tests/core/oracle/engines.py)."""
import platform

import pytest

from qemu_py import CPU
from tests.core.oracle import compare, engines

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="host code needs an x86-64 host")

SEED = 20261128
PIECES = [(family, number, engine) for family in ("int", "fpu", "sse", "block") for number, engine in
          ((0, engines.HOST[0]), (1, engines.HOST[2] if family == "block" else engines.HOST[0]))]
# Of the blocks made: those for one run (self-modifying code, single steps) stay in the interpreter
COMPILED = {"int": 0.8, "fpu": 0.8, "sse": 0.8, "block": 0.6}


@pytest.fixture(scope="module")
def records():
    return engines.Records()


@pytest.mark.parametrize("family, number, engine", PIECES, ids=lambda value: getattr(value, "name", str(value)))
def test_random_instructions_and_short_blocks_leave_the_same_state(records, family, number, engine):
    before = CPU.batch(records.batch(family, SEED, number, 0).records[:0], block=family == "block", model=engines.MODEL,
                       tier=engine.tier, chain=engine.chain)
    b, interpreted, compiled, found, after = records.run(family, SEED, number, engine)
    wrong = compare.any_difference(found).nonzero()[0]
    assert not len(wrong), f"{len(wrong)} differ\n" + "\n\n".join(
        compare.report(b, b.records, interpreted, compiled, k, found) for k in wrong[:8])
    made, host = (after[name] - before[name] for name in ("tb_gen_count", "host_count"))
    assert host > COMPILED[family] * made > 0


def test_random_programs_run_alike_to_the_end():
    checked = engines.Programs()
    texts = [text for text in (checked.check(f"{SEED}/{n}") for n in range(400)) if text]
    assert not texts, "\n\n".join(texts[:4])
    for other in checked.others:
        assert other.compiled > 400 * (2 if other.engine.tier else 10)


def test_a_first_difference_is_found_to_the_instruction(monkeypatch):
    """An engine that errs from its 101st instruction on, in EBX."""
    checked = engines.Programs(engines.HOST[:1])
    right = engines.Runner.run

    def run(self, p, steps=None):
        seen = right(self, p, steps)
        if self.engine.tier is None or seen[-2][0] <= 100:
            return seen
        last = list(seen[-2][6])
        last[3] ^= 1
        return seen[:-2] + [seen[-2][:6] + (tuple(last),)] + seen[-1:]
    monkeypatch.setattr(engines.Runner, "run", run)
    text = next(text for text in (checked.check(f"{SEED}/{n}") for n in range(20)) if text)
    assert "differ from step 101 on" in text and "ebx: " in text
