"""SYSTEMS row 60: observing: each category of -d shows what it is for, on a guest of ours; info jit counts it. (gdb, VNC: not yet.)"""
import re

import pytest

from qemu_py.util import log
from tests.boot.kernels import debug_exit, outb
from tests.guest import asm
from tests.machines import EXIT

CODE = (asm("""
    mov ecx, 200
again:
    add eax, ecx
    dec ecx
    jnz again
    mov ebx, [0xf0000000]
""") + outb(0x80, 0x42) + outb(0x7777, 1) + asm("call over; over: pop eax"))


@pytest.fixture
def run(make_machine, tmp_path):
    def run(items, code=CODE, status=7, **config):
        path = tmp_path / "log"
        log.cpu_set_log_filename(str(path))
        log.cpu_set_log(log.cpu_str_to_log_mask(items))
        try:
            assert make_machine(code + debug_exit(3), machine="pc", devices=EXIT, **config).run() == status
        finally:
            log.cpu_set_log(0)
            log.cpu_set_log_filename(None)
        return path.read_text() if path.exists() else ""
    return run


@pytest.mark.parametrize("items, pattern", [
    ("in_asm", r"01 c8 +add"), ("op", r"add32"), ("exec", r"Trace 0"), ("cpu", r"EAX=[0-9a-f]{8}"), ("cpu_reset", r"CPU Reset"),
    ("ioport", r"outb: 0080 42"), ("guest_errors", r"unassigned port write of 1 bytes at 7777"),
    ("guest_errors", r"unassigned memory read of 4 bytes at f0000000")])
def test_a_category_shows_its_own(run, items, pattern):
    assert re.search(pattern, run(items, tier=None)), pattern


def test_nothing_is_written_that_was_not_asked_for(run):
    text = run("guest_errors")
    assert "Trace" not in text and "outb" not in text and "EAX=" not in text


def test_an_interrupt_is_seen_when_it_is_delivered(run):
    """INT3 through an empty IDT becomes a general protection, a double and a triple fault; the reset ends it here."""
    text = run("int", asm("push 0; push 0; lidt [esp]; int3"), status=0, no_reboot=True)
    assert "v=03" in text or "triple" in text.lower()


def test_host_code_is_listed(run):
    capstone = pytest.importorskip("capstone", reason="capstone disassembles host code")
    assert capstone and re.search(r"OUT|dec|sub", run("out_asm", tier=2))


def test_an_unknown_category_is_refused():
    with pytest.raises(Exception, match="nonsense"):
        log.cpu_str_to_log_mask("in_asm,nonsense")
