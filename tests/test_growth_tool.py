"""tools/growth.py: its guests end as they should, and its charts are SVG."""
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qemu_py import CPU

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@pytest.fixture
def growth(monkeypatch):
    pytest.importorskip("numpy", reason="numpy makes the page tables")
    monkeypatch.syspath_prepend(str(TOOLS))
    import growth
    yield growth
    sys.modules.pop("growth", None)
    sys.modules.pop("svgplot", None)


def test_cold_code_has_the_instructions_that_it_says(growth):
    text, instructions = growth.cold_code(8192)
    cpu = CPU("qemu32", ram=2 << 20)
    cpu.write(growth.BASE, text)
    cpu.eip, cpu.esp = growth.BASE, 0x80000
    result = cpu.run(steps=100_000)
    assert (result.reason, result.steps) == ("hlt", instructions)


@pytest.mark.parametrize("tier", (None, 1))
def test_the_window_maps_a_gigabyte(growth, tier):
    cpu = growth.paged_cpu(tier)
    assert cpu.translate(growth.WINDOW) == growth.FRAMES
    assert cpu.translate(growth.WINDOW + (1 << 30) - 4096) == growth.FRAMES + (64 << 20) - 4096
    assert cpu.translate(growth.WINDOW + (1 << 30)) is None and cpu.translate(0x1234) == 0x1234


def test_tlb_misses_of_both_engines_are_counted(growth):
    for tier in (None, 1):
        cpu = growth.paged_cpu(tier)
        # again: mov eax, [esi + WINDOW]; add esi, 4096; dec ecx; jnz again; hlt
        cpu.write(0x1000, b"\x8b\x86" + growth.WINDOW.to_bytes(4, "little") + bytes.fromhex("81c600100000" "49" "75f1" "f4"))
        cpu.eip, cpu.ecx, cpu.esi = 0x1000, 5000, 0
        assert cpu.run().reason == "hlt"
        assert 5000 <= cpu.counters()["tlb_fill_count"] < 5050


def test_charts_are_well_formed(growth):
    text = growth.chart("a < b", "x", "y", {"one & two": [(1024, 3.0), (4096, 9.5)]}, growth.size_text)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and "4K" in text
