"""The long campaign: random instructions on the host CPU and on the engine.

    python -m tests.core.oracle --count 10000000 --seed 1 --family int,fpu,sse

Ends with status 0 when every test agreed. A failing test is found again by its family, seed and
batch:  python -m tests.core.oracle --family int --seed 1 --batch 17 --reports 10
"""
import argparse
import os
import sys
import time
from functools import partial

from tests.core.oracle import host
from tests.core.oracle.campaign import BLOCKS, FAMILIES, Outcome, Runner, engine_batch, run_campaign
from tests.core.oracle.compare import TRAPS


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.core.oracle", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=lambda s: int(s.replace("_", "")), default=1_000_000, help="number of tests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", default=",".join(FAMILIES), help="comma list of " + ", ".join(FAMILIES))
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--reports", type=int, default=1, help="reports printed for each row of the opcode table")
    parser.add_argument("--unchained", action="store_true", help="each block of the engine goes back to the loop around them all")
    parser.add_argument("--batch", type=int, help="only this batch, in this process")
    parser.add_argument("--only", help="only this mnemonic (with --batch)")
    args = parser.parse_args()
    missing = host.unavailable()
    if missing:
        sys.exit(missing)
    families = args.family.split(",")
    for family in families:
        if family not in FAMILIES and family not in BLOCKS:
            parser.error(f"unknown family {family!r}")
    started = time.perf_counter()
    if args.batch is not None:
        runner = Runner(partial(engine_batch, chain=not args.unchained))
        only = (lambda form: form.mnemonic == args.only) if args.only else None
        outcomes = {f: runner.run(f, args.seed, args.batch, only=only, reports=args.reports) for f in families}
    else:
        outcomes = run_campaign(families, args.count, args.seed, args.processes, _progress(args.count, started), not args.unchained)
        print(file=sys.stderr)
    bad = summary(outcomes, time.perf_counter() - started, args)
    return 1 if bad else 0


def _progress(count, started):
    last = [0.0]

    def show(done, outcomes):
        now = time.perf_counter()
        if now - last[0] > 1 or done >= count:
            last[0] = now
            bad = sum(o.mismatches for o in outcomes.values())
            print(f"\r{done:,} of {count:,} tests, {done / (now - started):,.0f}/s, {bad:,} mismatches", end="", file=sys.stderr)
    return show


def summary(outcomes, seconds, args):
    total = Outcome()
    for outcome in outcomes.values():
        total.add(outcome)
    for outcome in outcomes.values():
        shown = {}
        for title, body in outcome.reports:
            row = title.rpartition(" #")[0]
            shown[row] = shown.get(row, 0) + 1
            if shown[row] <= args.reports:
                print(body, end="\n\n")
    if total.by_form:
        print("mismatches by row:")
        for row, n in total.by_form.most_common(60):
            print(f"  {n:8,}  {row}")
    print(f"host CPU: {host.cpu_model()}")
    for family, o in outcomes.items():
        traps = ", ".join(f"{TRAPS.get(t, t)} {n:,}" for t, n in sorted(o.faults.items()))
        print(f"{family}: {o.tests:,} tests, {o.mismatches:,} mismatches, {o.skipped:,} not compared, "
              f"{o.died:,} workers died; outcomes: {traps}")
    print(f"{total.tests:,} tests, {total.mismatches:,} mismatches in {seconds:.0f} s "
          f"(host {total.seconds_host:.0f} s, engine {total.seconds_engine:.0f} s of CPU time), seed {args.seed}")
    return total.mismatches


if __name__ == "__main__":
    sys.exit(main())
