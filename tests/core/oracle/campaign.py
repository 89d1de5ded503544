"""Run tests on the host CPU and on the engine and compare them; the work of one process, and of several.

An engine is a function (records, block) that replaces initial states by final ones; a block is run
to its end.
"""
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tests.core.oracle import compare
from tests.core.oracle.blocks import BlockGenerator
from tests.core.oracle.generate import Generator
from tests.core.oracle.host import RUN_JUMP, RUN_STEP, STATUS_DIED, STATUS_LOST, HostCPU
from tests.core.oracle.truncation import TruncationGenerator

BATCH = 16384
FAMILIES = ("int", "fpu", "sse", "block")
BLOCKS = {"block": BlockGenerator, "truncation": TruncationGenerator}       # several instructions a test


@dataclass
class Outcome:
    """What one or several batches showed."""
    tests: int = 0
    mismatches: int = 0
    skipped: int = 0
    died: int = 0
    faults: Counter = field(default_factory=Counter)
    by_form: Counter = field(default_factory=Counter)
    reports: list = field(default_factory=list)
    seconds_engine: float = 0.0
    seconds_host: float = 0.0

    def add(self, other):
        self.tests += other.tests
        self.mismatches += other.mismatches
        self.skipped += other.skipped
        self.died += other.died
        self.faults += other.faults
        self.by_form += other.by_form
        self.seconds_engine += other.seconds_engine
        self.seconds_host += other.seconds_host
        known = {text for text, _ in self.reports}
        for text, body in other.reports:
            if text not in known and len(self.reports) < 200:
                self.reports.append((text, body))


ENGINE_MODEL = "qemu32,+ssse3"


def engine_batch(records, block, **how):
    """The engine under test: a bare CPU's batch(), with its tier and chain."""
    import qemu_py
    qemu_py.CPU.batch(records, block=block, model=ENGINE_MODEL, **how)


class Runner:
    """One process's generator, host CPU and engine."""

    def __init__(self, engine=None, features=None, batch=BATCH):
        self.size = batch
        self.host = HostCPU(batch)
        self.engine = engine or engine_batch
        self.features = features
        self.generators = {}

    def run(self, family, seed, number, count=None, only=None, reports=3):
        if family not in self.generators:
            self.generators[family] = BLOCKS[family](self.features) if family in BLOCKS else Generator(family, self.features)
        b = self.generators[family].batch(seed, number, count or self.size, only)
        n = len(b.records)
        step = int((b.how == RUN_STEP).sum())
        host = self.host.records[:n]
        host[:] = b.records
        t0 = time.perf_counter()
        died = self.host.run(0, step, RUN_STEP) + self.host.run(step, n - step, RUN_JUMP)
        t1 = time.perf_counter()
        got = b.records.copy()
        self.engine(got, family in BLOCKS)
        t2 = time.perf_counter()
        found = compare.differences(b, host, got)
        bad = compare.any_difference(found)
        out = Outcome(tests=n, mismatches=int(bad.sum()), skipped=int((b.skip | (host["status"] == STATUS_LOST)).sum()), died=int(died),
                      seconds_host=t1 - t0, seconds_engine=t2 - t1)
        out.faults = Counter(host["trapno"][host["status"] != STATUS_DIED].tolist())
        for k in np.nonzero(bad)[0]:
            name = str(b.forms[b.form[k]])
            out.by_form[name] += 1
            if out.by_form[name] <= reports:
                out.reports.append((f"{name} #{out.by_form[name]}",
                                    f"[{family} seed {seed} batch {number} record {k}] " + compare.report(b, b.records, host, got, k, found)))
        return out

    def close(self):
        self.host.close()


_runner = None


def _work(job):
    global _runner
    family, seed, number, count, chain = job
    if _runner is None:
        _runner = Runner(partial(engine_batch, chain=chain))
    return family, _runner.run(family, seed, number, count)


def run_campaign(families, count, seed, processes, progress=None, chain=True):
    """{family: Outcome}; `count` tests are split over the families."""
    jobs = []
    share = count // len(families)
    for family in families:
        number, left = 0, share
        while left > 0:
            jobs.append((family, seed, number, min(BATCH, left), chain))
            left -= BATCH
            number += 1
    jobs.sort(key=lambda job: job[2])
    outcomes = {family: Outcome() for family in families}
    done = 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        for family, outcome in pool.imap_unordered(_work, jobs):
            outcomes[family].add(outcome)
            done += outcome.tests
            if progress:
                progress(done, outcomes)
    return outcomes
