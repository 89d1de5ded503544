"""SeaBIOS, unmodified, from Debian's package `seabios`, on `pc`."""
import re

import pytest

from tests.boot.screens import need_seabios
from tests.machines import Capture


class Watched(Capture):
    """The debug console; calls back when a text has appeared."""

    def __init__(self, *steps):
        super().__init__()
        self.steps = list(steps)        # (bytes, callback)
        self.at = 0

    def write(self, data):
        self.data += data
        while self.steps and (found := self.data.find(self.steps[0][0], self.at)) >= 0:
            self.at = found + len(self.steps[0][0])
            self.steps.pop(0)[1]()
        return len(data)


@pytest.fixture
def seabios(make_machine):
    """Run `pc` with its own BIOS until the debug console has said each of the texts; what it said."""
    need_seabios("bios-256k.bin")

    def run(*steps, **config):
        steps = [step if isinstance(step, tuple) else (step, None) for step in steps]
        last = steps.pop()[0]
        log = Watched(*((text, lambda do=do: do and do(machine)) for text, do in steps),
                      (last, lambda: machine.request_exit(7)))
        machine = make_machine(**{"bios": "seabios", "debugcons": [log], "globals": {("isa-debugcon", "iobase"): "0x402"},
                                  "ram_size": 64 << 20} | config)
        status = machine.run()
        assert status == 7, log.data.decode("latin1")
        return machine, log.data.decode("latin1")
    return run


def test_it_finds_the_chip_set_and_posts(seabios):
    machine, text = seabios(b"No bootable device")
    for line in ("Running on QEMU (i440fx)", "PCI: init bdf=00:01.3 id=8086:7113", "PIIX3/PIIX4 init: elcr=00 0c",
                 "Found 1 cpu(s) max supported 1 cpu(s)", "PS2 keyboard initialized"):
        assert line in text, text
    assert re.search(r"Using pmtimer, ioport 0x[0-9a-f]+08\b", text)


def test_it_routes_pci_interrupts_and_moves_itself_to_shadow_ram(seabios):
    machine, _ = seabios(b"Scan for option roms")
    piix3, host = machine.pci.devices[1 << 3], machine.pci.devices[0]
    assert [piix3.s.config[0x60 + n] for n in range(4)] == [10, 10, 11, 11]
    assert machine.pic.slave.s.elcr == 0x0C
    assert host.s.config[0x59] & 0x10                   # F0000h is read from RAM


def test_it_sets_up_system_management_mode(seabios):
    machine, _ = seabios(b"Scan for option roms")
    assert machine.pm.config_word(0x58, 4) & 1 << 25    # APMC_EN
    assert machine.cpus[0].smbase == 0xA0000
    assert machine.pci.devices[0].s.config[0x72] == 0x0A


def test_it_posts_again_after_a_reset(seabios):
    machine, text = seabios((b"Scan for option roms", lambda machine: machine.system_reset_request()),
                            b"SeaBIOS (version", b"SeaBIOS (version", b"Scan for option roms")
    assert text.count("Running on QEMU (i440fx)") == 2


def test_ram_beyond_16_mib_is_in_its_map(seabios):
    _, text = seabios(b"enter handle_19")
    assert re.search(r"0000000000100000 - 0000000003ff[0-9a-f]000 = 1 RAM", text), text


@pytest.mark.parametrize("rom", ["vgabios.bin", "vgabios-stdvga.bin"])
def test_a_vga_bios_shows_it_on_the_screen(seabios, rom):
    """Ours, and its own."""
    need_seabios(*[rom] * (rom != "vgabios.bin"))
    machine, _ = seabios(b"No bootable device", globals={("isa-debugcon", "iobase"): "0x402", ("VGA", "romfile"): rom})
    screen = machine.vga.screen_text()
    assert any(line.startswith("SeaBIOS (version") for line in screen), screen
    assert any("No bootable" in line for line in screen), screen


def test_isapc_posts_too(seabios):
    need_seabios("bios.bin")
    _, text = seabios(b"No bootable device", machine="isapc")
    assert "PCI device probing" not in text
