"""A profile as text for the terminal: rings, functions, loops, blocks with their guest and host code, and what the emulator spent."""
from itertools import zip_longest

from qemu_py.control.profile_data import mode_name
from qemu_py.control.profile_loops import find_loops
from qemu_py.util import disas

GUEST_WIDTH = 62
OPS = 15                                # IR ops listed


class Report:
    """Lines of text; `top` rows a table."""

    def __init__(self, profile, symbols, top=10):
        self.profile = profile
        self.symbols = symbols
        self.top = top

    def text(self, costs=""):
        parts = [self.head(), self.modes(), self.functions(), self.loops(), self.blocks(), self.ops(), self.devices()]
        if costs:
            parts.append("What the emulator did\n\n" + costs)
        if disas.hint():
            parts.append(f"({disas.hint()})\n")
        return "\n".join(part for part in parts if part)

    def share(self, cost):
        return f"{100 * cost / self.profile.total if self.profile.total else 0:6.2f} %"

    def amount(self, cost):
        return f"{cost:,} instructions" if self.profile.exact else f"{cost / 1e6:,.1f} ms"

    def head(self):
        p = self.profile
        if p.exact:
            return f"Guest profile, exactly counted: {p.total:,} instructions in {len(p.blocks):,} blocks\n"
        lost = f"; {p.dropped:,} more did not fit" if p.dropped else ""
        return (f"Guest profile: {len(p.samples):,} samples{lost}, {p.total / 1e9:.2f} s of processor time of the CPUs' thread\n"
                "A sample names the target of a jump: the block behind it, not the instruction, is what was running.\n")

    def modes(self):
        rows = sorted(self.profile.by_mode().items(), key=lambda item: -item[1])
        return self.table("By ring and mode", [(cost, mode) for mode, cost in rows])

    def functions(self):
        rows = sorted(self.profile.by_function(self.symbols).items(), key=lambda item: -item[1])
        if not self.symbols.tables:
            return ""
        return self.table("By function", [(cost, f"{name}  ({mode})") for (name, mode), cost in rows[:self.top]])

    def table(self, title, rows):
        if not rows:
            return ""
        return f"{title}\n" + "".join(f"  {self.share(cost)}  {text}  {self.amount(cost)}\n" for cost, text in rows)

    def where(self, pc, flags):
        found = self.symbols.find(pc)
        name = "" if found is None else f"  {self.symbols.label(pc)}"
        return f"{pc:#010x}{name}  ({mode_name(flags)})"

    def loops(self):
        lines = []
        for n, loop in enumerate(find_loops(self.profile)[:self.top], 1):
            turns = f", {loop.turns:,} turns" if self.profile.exact else ""
            count = f"{len(loop.blocks)} block{'s' if len(loop.blocks) > 1 else ''}"
            lines.append(f"  {n:2}. {self.share(loop.cost)}  {self.where(loop.head, loop.flags)}  to {loop.end:#010x}, {count}{turns},"
                         f" {self.amount(loop.cost)}\n")
        return "Hottest loops (without what they call)\n" + "".join(lines) if lines else ""

    def blocks(self):
        lines = []
        for n, block in enumerate(self.profile.hottest(self.top), 1):
            if self.profile.exact:
                told = f"executed {block.runs:,} times, {block.instructions:,} instructions"
                if block.unrun:
                    told += f" ({block.unrun:,} left out by faults)"
            else:
                told = f"{block.samples:,} samples, {self.amount(block.weight)}"
            lines.append(f"\n  {n:2}. {self.share(self.profile.cost(block))}  {self.where(block.pc, block.flags)}  {told}\n")
            lines += [f"      {line}\n" for line in code_lines(block)]
        return "Hottest blocks\n" + "".join(lines) if lines else ""

    def ops(self):
        if not self.profile.op_counts:
            return ""
        from qemu_py._core.host.codegen import templates
        native = templates()
        rows = sorted(self.profile.op_counts.items(), key=lambda item: -item[1])
        rows = [(name, count) for name, count in rows if not name.endswith("_head")]
        called = [(name, count) for name, count in rows if name not in native]
        text = "IR ops by executions\n" + "".join(f"  {count:>15,}  {name}\n" for name, count in rows[:OPS])
        if called:
            text += "\nThose that host code calls (they have no template)\n"
            text += "".join(f"  {count:>15,}  {name}\n" for name, count in called[:OPS])
        return text

    def devices(self):
        p = self.profile
        rows = [(cost, name) for name, cost in p.by_device().most_common(self.top)]
        if p.translating():
            rows.append((p.translating(), "(translating)"))
        return self.table("Outside translated code, as sampled", rows)


def code_lines(block):
    """A block's guest code, and beside it the host's."""
    if block.code is None:
        return ["(its code was not in RAM, or has been replaced)"]
    guest = [listing(*row) for row in disas.instructions(block.pc, block.code, block.bits, block.starts)]
    host = [listing(*row, width=24) for address, code in block.host for row in disas.instructions(address, code, 64)]
    if not host:
        return guest
    size = sum(len(code) for _, code in block.host)
    rows = [(f"guest: {block.icount} instructions, {block.size} bytes", f"host: {len(host)} instructions, {size} bytes"),
            *zip_longest(guest, host, fillvalue="")]
    return [f"{left:<{GUEST_WIDTH}} | {right}".rstrip() for left, right in rows]


def listing(address, code, text, width=20):
    return f"{address:08x}  {code.hex():<{width}}  {text}".rstrip()
