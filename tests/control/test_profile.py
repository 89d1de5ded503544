"""`qemu-py profile`: tables, symbols, loops, speedscope and collapsed stacks, of a guest with a known hot loop."""
import json
import struct

import pytest

from qemu_py import cli
from qemu_py.control import profile as command
from qemu_py.control.profile_data import Block, Profile, mode_name
from qemu_py.control.profile_loops import find_loops
from qemu_py.control.profile_symbols import Symbols, elf_symbols, load_symbols
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit, elf

CODE, TURNS = 0x100030, 1000
# mov ecx, 1000; hot: add eax, 3; xor eax, ebx; dec ecx; jnz hot
GUEST = b"\xb9" + TURNS.to_bytes(4, "little") + bytes.fromhex("83c003" "31d8" "49" "75f8") + debug_exit(0)
HF_PE, HF_CS32, HF_VM = 1 << 8, 1 << 2, 1 << 9          # hflags
TIERS = pytest.mark.parametrize("accel", ("interp", "tcg,tier=1"))


def with_symbols(image, names):
    """The ELF image with a symbol table: {name: address}, all of them functions without a size."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    table, at = bytes(16), 1
    for name, address in names.items():
        table += struct.pack("<IIIBBH", at, address, 0, 2, 0, 1)
        at += len(name) + 1
    offset = len(image)
    headers = bytes(40) + struct.pack("<IIIIIIIIII", 0, 2, 0, 0, offset, len(table), 2, 1, 4, 16)
    headers += struct.pack("<IIIIIIIIII", 0, 3, 0, 0, offset + len(table), len(strings), 0, 0, 1, 0)
    image = bytearray(image + table + strings + headers)
    struct.pack_into("<I", image, 32, len(image) - len(headers))
    struct.pack_into("<HH", image, 46, 40, 3)
    return bytes(image)


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel.elf"
    path.write_bytes(with_symbols(elf(GUEST), {"_start": CODE, "hot": CODE + 5, "after": CODE + 13}))
    return path


def guest(kernel, accel):
    return ["-accel", accel, "-kernel", str(kernel), "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-display", "none"]


@TIERS
def test_exact_tables_give_the_loops_executions_symbol_and_code(kernel, accel, tmp_path, capsys):
    report = tmp_path / "report"
    status = cli.main(["profile", "--exact", "--report", str(report), "--", *guest(kernel, accel)])
    assert status == 1                                  # isa-debug-exit: 0 << 1 | 1
    text = report.read_text()
    loops = text[text.index("Hottest loops"):text.index("Hottest blocks")]
    assert f"{CODE + 5:#010x}  hot  (ring 0)" in loops and f"{TURNS:,} turns" in loops
    blocks = text[text.index("Hottest blocks"):]
    assert f"executed {TURNS - 1:,} times, {4 * (TURNS - 1):,} instructions" in blocks
    assert "83c003" in blocks
    assert ("host:" in blocks) == (accel != "interp")
    assert "IR ops by executions" in text and "What the emulator did" in text


@TIERS
def test_speedscope_and_collapsed_stacks(kernel, accel, tmp_path, capsys):
    output, stacks = tmp_path / "out.json", tmp_path / "out.collapsed"
    cli.main(["profile", "--exact", "-o", str(output), "--collapsed", str(stacks), "--", *guest(kernel, accel)])
    data = json.loads(output.read_text())
    check_speedscope(data)
    weights = dict(line.rsplit(" ", 1) for line in stacks.read_text().splitlines())
    assert int(weights["ring 0;hot"]) == 4 * (TURNS - 1)
    assert sum(map(int, weights.values())) == data["profiles"][0]["endValue"]


def check_speedscope(data):
    """What speedscope's JSON schema and its importer demand of a file of sampled profiles."""
    assert data["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = data["shared"]["frames"]
    assert all(isinstance(frame["name"], str) for frame in frames)
    assert data["profiles"] and 0 <= data["activeProfileIndex"] < len(data["profiles"])
    for profile in data["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled" and isinstance(profile["name"], str)
        assert profile["unit"] in ("none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes")
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= frame < len(frames) for stack in profile["samples"] for frame in stack)
        assert all(weight >= 0 for weight in profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])


@TIERS
def test_sampling_finds_the_loop(kernel, accel, make_machine):
    # hot: add eax, 3; xor eax, ebx; jmp hot
    machine = make_machine(bytes.fromhex("83c003" "31d8" "ebf9"), single_loop=True, tier=1 if "tier" in accel else None, vga="none")
    profiler = command.GuestProfiler(machine, rate=10_000)
    with machine.main_loop.lock:
        machine.power_on()
        profiler.start()
        while len(profiler.core.samples()) < 20:
            machine.tcg.main_loop_turn()
    machine.close()
    profile, costs = profiler.finish()
    hottest = profile.hottest()[0]
    assert hottest.pc == CODE and hottest.code == bytes.fromhex("83c00331d8ebf9")
    assert profile.by_mode()["ring 0"] >= hottest.weight
    loop = find_loops(profile)[0]
    assert (loop.head, loop.end) == (CODE, CODE + 7)
    check_speedscope(command_speedscope(profile))
    assert "Translation" in costs


def command_speedscope(profile):
    from qemu_py.control.profile_export import speedscope
    return speedscope(profile, Symbols())


# ---------------------------------------------------------------- the parts
def block(pc, size, runs, *successors, calls=False, starts=(0,)):
    return Block(pc, 0, HF_PE | HF_CS32, b"\x90" * size, size, len(starts), starts, runs, 0, successors, calls)


def test_nested_loops_and_a_call_within():
    blocks = [block(0x100, 8, 10, 0x110), block(0x110, 8, 100, 0x300, calls=True), block(0x118, 8, 100, 0x120, 0x110),
              block(0x120, 8, 10, 0x128, 0x100), block(0x128, 8, 1), block(0x300, 8, 100)]
    loops = {loop.head: loop for loop in find_loops(Profile(True, blocks, []))}
    assert set(loops) == {0x100, 0x110}
    assert sorted(b.pc for b in loops[0x110].blocks) == [0x110, 0x118]
    assert sorted(b.pc for b in loops[0x100].blocks) == [0x100, 0x110, 0x118, 0x120]
    assert loops[0x110].turns == 100


def test_a_loops_first_turn_may_be_part_of_the_block_in_front():
    blocks = [block(0x100, 8, 1, 0x108, 0x104, starts=(0, 4)), block(0x104, 4, 9, 0x108, 0x104)]
    assert [(loop.head, loop.turns) for loop in find_loops(Profile(True, blocks, []))] == [(0x104, 10)]


def test_names_of_rings_and_modes():
    assert [mode_name(flags) for flags in (0, HF_PE | HF_CS32, HF_PE | HF_CS32 | 3, HF_PE, HF_PE | HF_VM | 3)] == [
        "real mode", "ring 0", "ring 3", "ring 0 16-bit", "vm86"]


def test_symbols_of_an_elf_file_can_be_moved(tmp_path):
    path = tmp_path / "a.elf"
    path.write_bytes(with_symbols(elf(GUEST), {"one": 0x100030, "two": 0x100040}))
    assert [(s.address, s.name) for s in elf_symbols(path.read_bytes())] == [(0x100030, "one"), (0x100040, "two")]
    symbols = Symbols()
    load_symbols(symbols, f"{path}@0x8000000")
    assert symbols.label(0x8000044) == "two+0x4" and symbols.label(0x100030) == "0x100030"


def test_a_system_map(tmp_path):
    path = tmp_path / "System.map"
    path.write_text("c1000000 T _text\nc1000100 t do_it\nc1000200 D data\nc1000300 T last\n")
    symbols = Symbols()
    load_symbols(symbols, str(path), "--system-map")
    assert symbols.label(0xC1000250) == "do_it+0x150" and symbols.function(0xC1000000) == "_text"
    moved = Symbols()
    load_symbols(moved, f"{path}@c5000000")
    assert moved.label(0xC5000100) == "do_it"


@pytest.mark.parametrize("content, told", [
    (b"hello\n", "line 1 is not"), (b"", "no symbols"), (b"\x7fELF\x01\x01\x01", "damaged"),
    (elf(b"\x90"), "stripped"), (b"c1000000 T\n", "line 1 is not")])
def test_bad_symbol_files(tmp_path, content, told):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told):
        load_symbols(Symbols(), str(path))


def test_a_damaged_symbol_table_is_told_in_one_line(tmp_path):
    import random
    rng = random.Random(5)
    good = with_symbols(elf(GUEST), {"one": 0x100030})
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 20)):
            data[rng.choice((rng.randrange(64), len(data) - 1 - rng.randrange(120)))] = rng.randrange(256)
        data[:4] = b"\x7fELF"
        try:
            elf_symbols(bytes(data))
        except UserError:
            pass


@pytest.mark.parametrize("words, told", [
    ([], "write -- in front"), (["--exact"], "write -- in front"), (["-x", "--"], "-x: no such option"),
    (["-o"], "-o: requires"), (["--rate", "0", "--"], "--rate 0"), (["--top", "x", "--"], "--top x"),
    (["--symbols", "--"], "--symbols: requires")])
def test_wrong_options(words, told):
    with pytest.raises(UserError, match=told):
        command.parse(words)


def test_symbols_that_are_not_there_are_told_before_the_guest_runs(kernel, capsys):
    assert cli.main(["profile", "--symbols", "/nonexistent", "--", *guest(kernel, "interp")]) == 1
    assert capsys.readouterr().err == "qemu-py: --symbols /nonexistent: No such file or directory\n"


def test_help(capsys):
    assert cli.main(["profile", "--help"]) == 0
    assert "--collapsed FILE" in capsys.readouterr().out


def test_without_a_disassembler_blocks_are_bytes_with_a_hint(kernel, tmp_path, monkeypatch, capsys):
    import sys
    from qemu_py.util import disas
    monkeypatch.setitem(sys.modules, "capstone", None)
    monkeypatch.setattr(disas, "_objdump_program", lambda: None)
    report = tmp_path / "report"
    cli.main(["profile", "--exact", "--report", str(report), "--", *guest(kernel, "interp")])
    text = report.read_text()
    assert f"{CODE + 5:08x}  83c003\n" in text and "pip install qemu_py[disas]" in text


def test_a_perf_map_names_the_host_code_of_the_hot_loop(kernel, tmp_path, monkeypatch):
    from qemu_py.control import perfmap
    path, write = tmp_path / "perf.map", perfmap.write_perfmap
    monkeypatch.setattr(perfmap, "write_perfmap", lambda machine: write(machine, str(path)))
    cli.main(["-perfmap", *guest(kernel, "tcg,tier=1")])
    lines = path.read_text().splitlines()
    spans = sorted((int(line.split()[0], 16), int(line.split()[1], 16)) for line in lines)
    assert all(a + size <= b for (a, size), (b, _) in zip(spans, spans[1:]))
    assert any(line.endswith(f"guest hot {CODE + 5:#010x} ring 0") for line in lines)


def test_out_asm_lists_host_code(kernel, tmp_path):
    from qemu_py.util import log
    path = tmp_path / "log"
    try:
        cli.main(["-d", "out_asm", "-D", str(path), *guest(kernel, "tcg,tier=1")])
    finally:
        log.cpu_set_log(0)
        log.cpu_set_log_filename(None)
    text = path.read_text()
    assert f"OUT: {CODE + 5:#010x} [size=" in text
    assert "83 c0 03" in text[text.index(f"OUT: {CODE + 5:#010x}"):]


def test_objdump_lists_code_where_there_is_no_capstone(monkeypatch):
    import shutil
    import sys
    from qemu_py.util import disas
    if shutil.which("objdump") is None:
        pytest.skip("objdump (binutils) is not installed")
    monkeypatch.setitem(sys.modules, "capstone", None)
    found = disas.instructions(0x1000, bytes.fromhex("83c00331d8"), 32)
    assert [(address, code) for address, code, _ in found] == [(0x1000, bytes.fromhex("83c003")), (0x1003, bytes.fromhex("31d8"))]
    assert found[0][2].startswith("add")
