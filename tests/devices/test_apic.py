"""The local APIC, as chapter 10 of the SDM, volume 3, has it."""
import pytest

from qemu_py.devices.apic import APIC, APICBus

ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR = 0x20, 0x30, 0x80, 0xA0, 0xB0, 0xD0, 0xE0, 0xF0
ISR, TMR, IRR, ESR, ICR_LOW, ICR_HIGH = 0x100, 0x180, 0x200, 0x280, 0x300, 0x310
LVT_TIMER, LVT_LINT0, LVT_LINT1, LVT_ERROR = 0x320, 0x350, 0x360, 0x370
INITIAL_COUNT, CURRENT_COUNT, DIVIDE = 0x380, 0x390, 0x3E0
MASKED, PERIODIC = 1 << 16, 1 << 17
DIVIDE_BY_1 = 0b1011


class Processor:
    """An APIC, switched on, and what its pins have done."""

    def __init__(self, clock, bus, n):
        self.apic = apic = APIC(clock, apic_id=n, bus=bus, bsp=n == 0)
        self.events = []
        for name in ("nmi", "smi", "init"):
            getattr(apic, name).connect(lambda _, level, name=name: level and self.events.append(name))
        apic.start = lambda vector: self.events.append(("start", vector))
        self.write(SVR, 0x1FF)

    def write(self, register, value):
        self.apic.write(register, value, 4)

    def read(self, register):
        return self.apic.read(register, 4)

    def ipi(self, command, destination=0):
        self.write(ICR_HIGH, destination << 24)
        self.write(ICR_LOW, command)

    def take(self):
        """What an interrupt acknowledge gives."""
        return self.apic.acknowledge() if self.apic.intr.level else None


@pytest.fixture
def bus():
    return APICBus()


@pytest.fixture
def cpus(clock, bus):
    return [Processor(clock, bus, n) for n in range(3)]


@pytest.fixture
def cpu(cpus):
    return cpus[0]


# ---------------------------------------------------------------- state after reset
def test_after_a_reset_it_is_disabled_by_software_and_everything_is_masked(clock):
    apic = APIC(clock, apic_id=3)
    assert apic.read(ID, 4) == 3 << 24
    assert apic.read(VERSION, 4) & 0xFF == 0x14 and apic.read(VERSION, 4) >> 16 == 5
    assert apic.read(SVR, 4) == 0xFF and apic.read(DFR, 4) == 0xFFFFFFFF and apic.read(LDR, 4) == 0
    assert [apic.read(LVT_TIMER + 16 * n, 4) for n in range(6)] == [MASKED] * 6
    assert apic.read(TPR, 4) == apic.read(INITIAL_COUNT, 4) == apic.read(CURRENT_COUNT, 4) == 0


def test_disabled_by_software_it_keeps_its_local_entries_masked(cpu):
    cpu.write(LVT_TIMER, 0x40)
    cpu.write(SVR, 0xFF)
    assert cpu.read(LVT_TIMER) == MASKED | 0x40
    cpu.write(LVT_TIMER, 0x41)
    assert cpu.read(LVT_TIMER) == MASKED | 0x41


# ---------------------------------------------------------------- priorities
def test_the_higher_vector_is_taken_first_and_holds_the_lower_back(cpu):
    cpu.ipi(0x40031)
    cpu.ipi(0x40082)
    assert cpu.read(IRR + 0x10) == 1 << 0x11 and cpu.read(IRR + 0x40) == 1 << 2
    assert cpu.take() == 0x82
    assert cpu.read(ISR + 0x40) == 1 << 2 and cpu.read(PPR) == 0x80
    assert cpu.take() is None
    cpu.write(EOI, 0)
    assert cpu.take() == 0x31


def test_the_same_class_does_not_interrupt_itself(cpu):
    cpu.ipi(0x40051)
    assert cpu.take() == 0x51
    cpu.ipi(0x4005F)
    assert cpu.take() is None
    cpu.ipi(0x40060)
    assert cpu.take() == 0x60


def test_the_task_priority_holds_back_its_class_and_below(cpu):
    cpu.write(TPR, 0x50)
    cpu.ipi(0x4005F)
    assert cpu.take() is None
    cpu.ipi(0x40060)
    assert cpu.take() == 0x60
    cpu.write(EOI, 0)
    cpu.write(TPR, 0x4F)
    assert cpu.take() == 0x5F


def test_a_request_that_a_task_priority_takes_back_is_spurious(cpu):
    cpu.ipi(0x40061)
    cpu.write(TPR, 0xF0)
    assert cpu.apic.acknowledge() == 0xFF
    assert cpu.read(ISR + 0x30) == 0 and cpu.read(IRR + 0x30) == 2


# ---------------------------------------------------------------- destinations
@pytest.mark.parametrize("command, destination, who", [
    (0x00050, 1, [1]), (0x00050, 0xFF, [0, 1, 2]), (0x40050, 0, [0]), (0x80050, 0, [0, 1, 2]), (0xC0050, 0, [1, 2])])
def test_physical_destinations_and_shorthands(cpus, command, destination, who):
    cpus[0].ipi(command, destination)
    assert [n for n, cpu in enumerate(cpus) if cpu.take() == 0x50] == who


def test_flat_logical_destinations_are_a_mask(cpus):
    for n, cpu in enumerate(cpus):
        cpu.write(LDR, 1 << n + 24)
    cpus[1].ipi(0x00850, 0b101)
    assert [n for n, cpu in enumerate(cpus) if cpu.take() == 0x50] == [0, 2]


def test_cluster_destinations_name_a_cluster_and_its_members(cpus):
    for cpu, logical in zip(cpus, (0x11, 0x12, 0x21)):
        cpu.write(DFR, 0x0FFFFFFF)
        cpu.write(LDR, logical << 24)
    cpus[0].ipi(0x00850, 0x13)
    assert [cpu.take() for cpu in cpus] == [0x50, 0x50, None]
    cpus[0].ipi(0x00860, 0xF1)
    assert [cpu.take() for cpu in cpus] == [0x60, None, 0x60]


def test_lowest_priority_goes_to_one_with_least_to_do(cpus):
    cpus[0].write(TPR, 0x40)
    cpus[1].write(TPR, 0x20)
    cpus[2].write(TPR, 0x30)
    cpus[0].ipi(0x00190, 0xFF)
    assert [cpu.take() for cpu in cpus] == [None, 0x90, None]


def test_lowest_priority_prefers_the_processor_that_is_already_at_it(cpus):
    cpus[2].ipi(0x40090)
    cpus[0].ipi(0x00190, 0xFF)
    assert [cpu.take() for cpu in cpus] == [None, None, 0x90]


# ---------------------------------------------------------------- other modes
def test_nmi_and_smi_reach_their_pins(cpus):
    for cpu in cpus[1:]:
        cpu.ipi(0x4600 | 0x40000)       # a shorthand that those modes do not take
    cpus[0].ipi(0x00600 | 5, 0)         # the bootstrap processor does not wait
    assert cpus[0].events == []
    cpus[1].ipi(0x00400, 0)
    cpus[1].ipi(0x00200, 0)
    assert cpus[0].events == ["nmi", "smi"]


def test_init_and_one_start_up_message_start_a_processor(cpus):
    cpus[0].ipi(0x0C500, 1)
    assert cpus[1].events == ["init"]
    cpus[0].ipi(0x08500, 1)             # the de-assertion
    cpus[0].ipi(0x00400, 1)             # nothing else wakes it
    assert cpus[1].events == ["init"]
    cpus[0].ipi(0x0069A, 1)
    cpus[0].ipi(0x0069A, 1)
    assert cpus[1].events == ["init", ("start", 0x9A)]
    assert cpus[1].read(SVR) == 0xFF and cpus[1].read(ID) == 1 << 24


def test_application_processors_wait_after_a_reset(cpus):
    cpus[0].ipi(0x00607, 2)
    assert cpus[2].events == [("start", 7)]


# ---------------------------------------------------------------- local pins
def test_as_extint_lint0_asks_the_processor_for_the_8259a(cpu):
    cpu.write(LVT_LINT0, 0x700)
    cpu.apic.set_lint(0, 1)
    assert cpu.take() == -1
    cpu.apic.set_lint(0, 0)
    assert cpu.take() is None
    cpu.write(LVT_LINT0, MASKED | 0x700)
    cpu.apic.set_lint(0, 1)
    assert cpu.take() is None


def test_off_by_its_msr_the_pins_are_intr_and_nmi(cpu):
    cpu.apic.enabled = lambda: False
    cpu.apic.set_lint(0, 1)
    assert cpu.take() == -1
    cpu.apic.set_lint(1, 1)
    assert cpu.events == ["nmi"]


def test_lint1_as_nmi(cpu):
    cpu.write(LVT_LINT1, 0x400)
    cpu.apic.set_lint(1, 1)
    cpu.apic.set_lint(1, 0)
    assert cpu.events == ["nmi"]


def test_a_level_at_a_local_pin_asks_again_after_its_end(cpu):
    cpu.write(LVT_LINT0, 0x8070)
    cpu.apic.set_lint(0, 1)
    assert cpu.read(LVT_LINT0) == 0xC070 and cpu.take() == 0x70
    assert cpu.read(TMR + 0x30) == 1 << 16
    cpu.write(EOI, 0)
    assert cpu.take() == 0x70
    cpu.apic.set_lint(0, 0)
    cpu.write(EOI, 0)
    assert cpu.take() is None and cpu.read(LVT_LINT0) == 0x8070


# ---------------------------------------------------------------- timer
def step(cpu):
    """Nanoseconds of one count when divided by 1."""
    clock = cpu.apic.clock
    cpu.write(DIVIDE, DIVIDE_BY_1)
    cpu.write(INITIAL_COUNT, 0xFFFFFFFF)
    clock.advance(1_000_000)
    return 1_000_000 / (0xFFFFFFFF - cpu.read(CURRENT_COUNT))


@pytest.mark.parametrize("code, by", [(0b0000, 2), (0b0001, 4), (0b0010, 8), (0b0011, 16), (0b1000, 32),
                                      (0b1001, 64), (0b1010, 128), (0b1011, 1)])
def test_the_divide_configuration(cpu, clock, code, by):
    one = step(cpu)
    cpu.write(DIVIDE, code)
    cpu.write(INITIAL_COUNT, 1000)
    clock.advance(int(one * by * 400))
    assert cpu.read(CURRENT_COUNT) == 600


def test_one_shot(cpu, clock):
    one = step(cpu)
    cpu.write(LVT_TIMER, 0x40)
    cpu.write(INITIAL_COUNT, 100)
    clock.advance(int(99 * one))
    assert cpu.take() is None
    clock.advance(int(one))
    assert cpu.take() == 0x40 and cpu.read(CURRENT_COUNT) == 0
    cpu.write(EOI, 0)
    clock.advance(int(1000 * one))
    assert cpu.take() is None


def test_periodic(cpu, clock):
    one = step(cpu)
    cpu.write(LVT_TIMER, PERIODIC | 0x40)
    cpu.write(INITIAL_COUNT, 100)
    for _ in range(3):
        clock.advance(int(100 * one))
        assert cpu.take() == 0x40
        cpu.write(EOI, 0)
    clock.advance(int(30 * one))
    assert cpu.read(CURRENT_COUNT) == 70


def test_a_masked_timer_counts_and_a_count_of_0_stops_it(cpu, clock):
    one = step(cpu)
    cpu.write(LVT_TIMER, MASKED | 0x40)
    cpu.write(INITIAL_COUNT, 100)
    clock.advance(int(40 * one))
    assert cpu.read(CURRENT_COUNT) == 60 and not clock.active_timers
    cpu.write(LVT_TIMER, 0x40)
    clock.advance(int(60 * one))
    assert cpu.take() == 0x40
    cpu.write(INITIAL_COUNT, 5)
    cpu.write(INITIAL_COUNT, 0)
    assert not clock.active_timers


# ---------------------------------------------------------------- errors
def test_vectors_below_16_are_errors(cpu):
    cpu.write(LVT_ERROR, 0xFE)
    cpu.ipi(0x4000F)
    assert cpu.take() == 0xFE and cpu.read(ESR) == 0
    cpu.write(ESR, 0)
    assert cpu.read(ESR) == 1 << 5
    cpu.write(ESR, 0)
    assert cpu.read(ESR) == 0


def test_a_register_that_is_not_there_is_an_error(cpu):
    cpu.read(0x010)
    cpu.write(ESR, 0)
    assert cpu.read(ESR) == 1 << 7


@pytest.fixture
def slow_clock(clock, monkeypatch):
    """A host that stands still for a millisecond between any two looks at the clock."""
    def get_ns():
        clock.ns += 1_000_000
        return clock.ns
    monkeypatch.setattr(clock, "get_ns", get_ns)
    return clock


def test_a_single_shot_comes_however_slow_the_host_is(slow_clock, cpu):
    cpu.write(DIVIDE, DIVIDE_BY_1)
    cpu.write(LVT_TIMER, 0x31)
    cpu.write(INITIAL_COUNT, 20)
    slow_clock.jump(0)
    assert cpu.take() == 0x31
    cpu.write(EOI, 0)
    slow_clock.jump(10_000_000)
    assert cpu.take() is None
    cpu.write(LVT_TIMER, 0x32)                  # it does not come again by itself
    slow_clock.jump(10_000_000)
    assert cpu.take() is None


def test_a_change_of_the_vector_does_not_lose_a_shot_that_is_due(cpu, clock):
    cpu.write(DIVIDE, DIVIDE_BY_1)
    cpu.write(LVT_TIMER, 0x31)
    cpu.write(INITIAL_COUNT, 20)
    clock.ns += 1_000_000                       # the host has not come to its timers yet
    cpu.write(LVT_TIMER, 0x32)
    assert cpu.take() == 0x31
