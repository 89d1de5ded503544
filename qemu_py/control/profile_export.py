"""A profile as speedscope JSON (speedscope.app's file format), and as collapsed stacks (flamegraph.pl's input).

Frames go from the outside in: ring, callers by frame pointer, the function, and, where the CPU's thread was not in translated code, the
device or the translator. Exact profiles have no stacks: ring, function, block.
"""
import json
import os
import tempfile

from qemu_py.util.errors import UserError
from qemu_py.util.version import __version__

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def stacks(profile, symbols):
    """Yields (cpu, (frame, ...) outermost first, weight)."""
    if profile.exact:
        for block in sorted(profile.blocks, key=lambda b: (b.flags, b.pc)):
            if block.instructions > 0:
                frames = [block.mode, symbols.function(block.pc)]
                block_name = symbols.label(block.pc)
                if frames[-1] != block_name:
                    frames.append(block_name)
                yield 0, tuple(frames), block.instructions
        return
    for sample in profile.samples:
        if not sample.weight:
            continue
        # A return address is behind its call, which may be its function's last instruction
        callers = [symbols.function(address - 1 & 0xFFFFFFFF) if symbols.find(address - 1 & 0xFFFFFFFF) else f"{address:#x}"
                   for address in reversed(sample.callers)]
        frames = [sample.mode, *callers, symbols.function(sample.pc)]
        if sample.where == "device":
            frames.append(f"device {sample.device}")
        elif sample.where == "translator":
            frames.append("(translating)")
        yield sample.cpu, tuple(frames), sample.weight


def speedscope(profile, symbols, name="guest"):
    """The file's content as a dict: one profile a CPU."""
    index, frames, by_cpu = {}, [], {}
    for cpu, stack, weight in stacks(profile, symbols):
        numbers = []
        for frame in stack:
            if frame not in index:
                index[frame] = len(frames)
                frames.append({"name": frame})
            numbers.append(index[frame])
        samples, weights = by_cpu.setdefault(cpu, ([], []))
        samples.append(numbers)
        weights.append(weight)
    profiles = [{"type": "sampled", "name": f"CPU {cpu}", "unit": "none" if profile.exact else "nanoseconds",
                 "startValue": 0, "endValue": sum(weights), "samples": samples, "weights": weights}
                for cpu, (samples, weights) in sorted(by_cpu.items())]
    if not profiles:
        profiles = [{"type": "sampled", "name": "CPU 0", "unit": "none", "startValue": 0, "endValue": 0, "samples": [],
                     "weights": []}]
    return {"$schema": SCHEMA, "shared": {"frames": frames}, "profiles": profiles, "name": name, "activeProfileIndex": 0,
            "exporter": f"qemu-py {__version__}"}


def collapsed(profile, symbols):
    """Lines "frame;frame;frame weight", in instructions, or microseconds rounded up."""
    total = {}
    for _, stack, weight in stacks(profile, symbols):
        total[stack] = total.get(stack, 0) + weight
    unit = 1 if profile.exact else 1000
    return "".join(f"{';'.join(frame.replace(';', ':') for frame in stack)} {-(-weight // unit)}\n"
                   for stack, weight in sorted(total.items()))


def write_text(path, text, option):
    """The whole file or none of it."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):       # a pipe, /dev/stdout
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return
        directory = os.path.dirname(os.path.abspath(path))
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=directory, delete=False) as f:
            f.write(text)
        os.chmod(f.name, 0o644)
        os.replace(f.name, path)
    except OSError as e:
        raise UserError(f"{option} {path}: {e.strerror}") from None


def write_speedscope(path, profile, symbols, name):
    write_text(path, json.dumps(speedscope(profile, symbols, name)), "-o")


def write_collapsed(path, profile, symbols):
    write_text(path, collapsed(profile, symbols), "--collapsed")
