"""What the emulator spends on a guest: translations, flushes, TLB misses, exits, exceptions, device accesses, each by its name.

The words of `info jit` and of a profile's last part.
"""
from qemu_py._core.profile import cache_counters, tlb_flushes

EXCEPTIONS = {0: "#DE divide", 1: "#DB debug", 3: "#BP INT3", 4: "#OF overflow", 5: "#BR bound", 6: "#UD invalid opcode",
              7: "#NM no FPU", 8: "#DF double fault", 10: "#TS TSS", 11: "#NP not present", 12: "#SS stack", 13: "#GP protection",
              14: "#PF page fault", 16: "#MF x87", 17: "#AC alignment", 18: "#MC machine check", 19: "#XM SIMD"}


def costs(machine):
    """[(title, [(name, count)])]; what did not happen is left out, but for the first three parts."""
    cpus, cache = machine.cpus, machine.tb_cache
    counters = cache.counters()
    counts = cache_counters(cache)
    made, insns = counters["tb_gen_count"], counters["tb_gen_insns"]
    parts = [
        ("Translation", [
            ("blocks in the cache", counters["tb_count"]),
            ("blocks translated", made),
            ("instructions translated", insns),
            ("bytes of IR in the cache", counters["code_gen_bytes"]),
            ("bytes that it holds", counters["code_gen_buffer_size"]),
            ("blocks made host code", counters["host_count"]),
        ]),
        ("Translations dropped", [
            ("flushes of the whole cache", counters["tb_flush_count"]),
            ("blocks invalidated", counters["tb_phys_invalidate_count"]),
            ("stores to pages with code", counts["smc_writes"]),
            ("stores to the running block", counts["smc_restarts"]),
        ]),
        ("Address translation", [
            ("TLB misses", sum(cpu.counters()["tlb_fill_count"] for cpu in cpus)),
            ("TLB flushes", sum(map(tlb_flushes, cpus))),
        ]),
        ("Exits from translated code", list(counts["exits"].items())),
        ("Exits from the CPU's loop", list(counts["returns"].items())),
        ("Exceptions and software interrupts", [(exception_name(n), count) for n, count in by_count(counts["exceptions"])]),
        ("Interrupts", [(f"vector {n:#04x}", count) for n, count in by_count(counts["interrupts"])]),
        ("Device accesses", by_count(machine.memory.access_counts())),
    ]
    return [(title, [(name, count) for name, count in rows if count or n < 3]) for n, (title, rows) in enumerate(parts) if rows]


def by_count(counts):
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def exception_name(vector):
    return EXCEPTIONS.get(vector, f"INT {vector:#04x}")


def costs_text(machine):
    """The table as text."""
    lines = []
    for title, rows in costs(machine):
        if rows:
            lines.append(title)
            lines += [f"  {count:>15,}  {name}" for name, count in rows]
    return "\n".join(lines) + "\n"
