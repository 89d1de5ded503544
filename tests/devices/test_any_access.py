"""Whatever a guest reads and writes, no device lets an exception escape, and every answer has its size."""
import random

import pytest

from tests.machines import Capture

PORTS = [0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x80, 0xE9, 0xF0, *range(0x3F8, 0x400),
         *range(0x2F8, 0x300), *range(0x10), 0x60, 0x64, 0x70, 0x71, *range(0x81, 0x90), *range(0xC0, 0xE0), *range(0x378, 0x380),
         *range(0x3F2, 0x3F6), 0x3F7]


class Talkative(Capture):
    """Also has input whenever it is asked."""
    uart = None

    def add_handlers(self, can_receive, receive, event=None, send=None):
        self.can_receive, self.receive, self.event = can_receive, receive, event

    def write(self, data):
        return random.randint(0, len(data))

    def accept_input(self):
        if random.random() < 0.3 and self.can_receive() > 0:
            self.receive(bytes(self.can_receive()))


@pytest.mark.parametrize("seed", range(8))
def test_random_port_accesses(make_machine, seed):
    random.seed(seed)
    lines = [Talkative(), Talkative()]
    machine = make_machine(serials=lines, debugcons=[Capture()])
    physmap = machine.memory.physmap
    with machine.main_loop.lock:
        machine.system_reset()
        machine.clocks.vm.enable()
        for step in range(6000):
            port = random.choice(PORTS) if random.random() < 0.95 else random.randrange(65536)
            if 0xCF8 <= port < 0xD00 or port == 0xF4:
                continue                # a reset of the machine is not what is looked for here
            size = random.choice((1, 1, 1, 2, 4))
            if random.random() < 0.5:
                assert 0 <= physmap.port_read(port, size) < 1 << 8 * size
            else:
                physmap.port_write(port, random.choice((0, 0xFF, 0x80, random.getrandbits(8))) | random.getrandbits(32)
                                   << 8 & 0xFFFFFF00, size)
            if step % 16 == 0:
                for line in lines:
                    line.accept_input()
                    if random.random() < 0.1:
                        line.event("break")
                physmap.pic_interrupt()
                machine.clocks.run_all_timers()
        machine.system_reset()


@pytest.mark.parametrize("seed", range(8))
def test_random_timer_programs_agree_with_themselves(clock, seed):
    """The edges that a counter announces are the changes of the OUT that it computes."""
    from qemu_py.devices.i8254 import Counter
    pick = random.Random(seed)
    for _ in range(60):
        counter, now = Counter(), 0
        counter.set_control(0x30 | pick.randrange(6) << 1)
        for byte in (pick.randrange(3, 40), 0):
            counter.write(byte, now)
        for _ in range(6):
            counter.set_gate(pick.randrange(2), now)
            level, edge = counter.output(now), counter.next_edge(now)
            for _ in range(pick.randrange(1, 90)):
                now += 1
                new = counter.output(now)
                if counter.s.mode == 2:         # only its rising edges are announced
                    if new and not level:
                        assert now == edge
                        edge = counter.next_edge(now)
                elif new != level:
                    assert now == edge, (counter.s, now)
                    edge = counter.next_edge(now)
                level = new
