"""SYSTEMS row 10: tb_add_jump, the circular lists jmp_next / jmp_first, tb_jmp_remove, tb_reset_jump."""
import random

from qemu_py._core import inspect
from tests.guest import cpu_with


def test_random_linking_and_unlinking_keeps_the_lists_invariant():
    rng = random.Random(10)
    pieces = [(0x1000 + 16 * i, b"\x40\xF4") for i in range(24)]
    cpu = cpu_with(*pieces)
    for address, _ in pieces:
        cpu.eip = address
        cpu.run()
    alive = inspect.valid_tbs(cpu)
    model = {}                          # (tb, successor) -> target
    for step in range(3000):
        if rng.random() < 0.97 or len(alive) < 4:
            a, n, b = rng.choice(alive), rng.randrange(2), rng.choice(alive)
            inspect.link(cpu, a, n, b)
            model[a, n] = b
        else:
            dead = rng.choice(alive)
            alive.remove(dead)
            inspect.invalidate(cpu, dead)
            model = {k: v for k, v in model.items() if k[0] != dead and v != dead}
        for tb in alive:
            assert inspect.tb_info(cpu, tb)["jmp_dest"] == [model.get((tb, 0)), model.get((tb, 1))]
            assert sorted(inspect.jumps_to(cpu, tb)) == sorted(k for k, v in model.items() if v == tb)


def test_former_callers_of_an_invalidated_block_return_to_the_dispatcher():
    cpu = cpu_with((0x1000, "inc eax; jmp 0x1010"), (0x1010, "hlt"))
    cpu.run()
    cpu.write(0x1010, b"\x43\xF4")      # inc ebx; hlt
    cpu.eip = 0x1000
    cpu.run()
    assert (cpu.eax, cpu.ebx) == (2, 1)
