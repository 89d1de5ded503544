"""`info mtree`: the trees of MemoryRegions as text, in QEMU 1.1's form.

Siblings are in order of address; a disabled region is not shown; the target of an alias that lies
in no tree shown gets a section of its own.
"""
from __future__ import annotations

from qemu_py.system.memory_region import MemoryRegion


def access(region: MemoryRegion) -> str:
    return ("R" if region.readable else "-") + ("-" if region.readonly else "W")


def line(region: MemoryRegion, base: int, level: int) -> str:
    start = base + region.addr
    text = f"{'  ' * level}{start:016x}-{start + region.size - 1:016x} (prio {region.priority}, {access(region)}): "
    if region.alias is None:
        return text + region.name
    first = region.alias_offset
    return text + f"alias {region.name} @{region.alias.name} {first:016x}-{first + region.size - 1:016x}"


def tree(region: MemoryRegion, base: int, level: int, targets: list[MemoryRegion]) -> list[str]:
    if not region.enabled:
        return []
    if region.alias is not None and region.alias not in targets:
        targets.append(region.alias)
    lines = [line(region, base, level)]
    for child in sorted(region.subregions, key=lambda each: (each.addr, -each.priority)):
        lines += tree(child, base + region.addr, level + 1, targets)
    return lines


def mtree_info(address_spaces) -> str:
    """The trees of all address spaces, then the alias targets outside of them."""
    targets: list[MemoryRegion] = []
    lines: list[str] = []
    shown = set()
    for address_space in address_spaces:
        lines.append(address_space.name)
        lines += tree(address_space.root, 0, 0, targets)
        shown.update(id(region) for region in address_space.root.walk())
    for target in targets:              # grows while we go: a target may contain aliases
        if id(target) not in shown:
            lines.append(target.name)
            lines += tree(target, -target.addr, 0, targets)
            shown.update(id(region) for region in target.walk())
    return "\n".join(lines) + "\n"
