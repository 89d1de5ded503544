"""Random accesses by a guest with interrupts on: no exception, no crash, no hang, no growth. docs/FUZZ.md has the long campaign."""
import gc
import random

import pytest

pytest.importorskip("keystone", reason="keystone-engine assembles the guest")
fuzz_accesses = pytest.importorskip("tests.devices.fuzz_accesses", reason="the CPU is not built")

ACCESSES = 8000


@pytest.mark.parametrize("way", fuzz_accesses.WAYS, ids=",".join)
def test_whatever_a_guest_reads_and_writes_the_machine_goes_on(way):
    machine = fuzz_accesses.run(way, 1, ACCESSES)
    assert machine.done >= ACCESSES and machine.interrupts > 0


@pytest.mark.parametrize("machine", fuzz_accesses.MACHINES)
def test_a_seed_is_one_run_whatever_the_engine(machine):
    runs = [fuzz_accesses.run((machine, "icount", engine), 2, ACCESSES) for engine in fuzz_accesses.ENGINES]
    assert len({(run.done, run.interrupts, run.starts) for run in runs}) == 1


@pytest.mark.parametrize("machine", fuzz_accesses.MACHINES)
def test_memory_does_not_grow(machine):
    """Neither while the guest runs nor from machine to machine; in MiB, of which a leak of 100 bytes an access would be 4."""
    way = (machine, "single", "interp")
    after = []
    for _ in range(3):
        sizes = fuzz_accesses.run(way, 4, 40_000).sizes
        gc.collect()
        after.append(fuzz_accesses.resident())
    assert sizes[-1] - sizes[len(sizes) // 3] < 4
    assert after[-1] - after[-2] < 4


@pytest.mark.parametrize("name", fuzz_accesses.MACHINES)
def test_every_port_is_read_and_written_in_every_width(make_machine, name):
    pick = random.Random(name)
    machine = make_machine(machine=name)
    ports = [(port, size) for size in (1, 2, 4) for port in range(65536) if port not in fuzz_accesses.RESETS]
    pick.shuffle(ports)
    physmap = machine.memory.physmap
    with machine.main_loop.lock:
        machine.system_reset()
        machine.clocks.vm.enable()
        for n, (port, size) in enumerate(ports):
            physmap.port_write(port, pick.getrandbits(8 * size), size)
            assert 0 <= physmap.port_read(port, size) < 1 << 8 * size
            if n % 64 == 0:
                machine.clocks.run_all_timers()
                machine.main_loop.bh_poll()
                physmap.pic_interrupt()
        machine.system_reset()
