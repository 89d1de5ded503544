"""Motorola MC146818 real-time clock and CMOS RAM (datasheet MC146818A, 1984), with the AT's century byte.

Ports 70h and 71h of a PC: index and data. The registers of time hold what was last counted and are
brought up to date when somebody looks; a timer runs only for an interrupt that is enabled and not
yet pending. The century at 32h counts on with the year, as in the chips that PCs came to use.

Not modelled: the SQW pin, daylight saving (DSE), the NMI mask that the board keeps in bit 7 of port 70h.
The three time bases that DV can select all run at the right speed, as if the crystal were the fitting one.
"""
from datetime import date, datetime, timedelta

from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass, field

NANOSECONDS = 1_000_000_000
SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM = range(6)
WEEKDAY, DAY, MONTH, YEAR = range(6, 10)
REG_A, REG_B, REG_C, REG_D = range(10, 14)
CENTURY, PS2_CENTURY = 0x32, 0x37       # where the AT has it, and the PS/2: the same byte here
REG_A_UIP = 0x80
REG_B_SET, REG_B_PIE, REG_B_AIE, REG_B_UIE, REG_B_SQWE = 0x80, 0x40, 0x20, 0x10, 0x08
REG_B_DM, REG_B_24H = 0x04, 0x02
REG_C_IRQF, REG_C_PF, REG_C_AF, REG_C_UF = 0x80, 0x40, 0x20, 0x10
REG_C_FLAGS = REG_C_PF | REG_C_AF | REG_C_UF                # each lies where register B has its enable bit
REG_D_VRT = 0x80
HOURS_PM = 0x80
ALARM_ANY = 0xC0                        # an alarm byte of C0h-FFh matches everything
UPDATE_NS = 1_984_000                   # t_UC, the update cycle at 32 kHz
UIP_NS = UPDATE_NS + 244_000            # and t_BUC: UIP rises that long before it
DAY_SECONDS = 86400


def alarm_distance(now, matches):
    """Seconds from `now` (of the day) to the next match, 1 to 86400; None: never.

    matches: (seconds, minutes, hours), each a number or None for any."""
    second, minute, hour = matches
    if (second or 0) > 59 or (minute or 0) > 59 or (hour or 0) > 23:
        return None
    t = now + 1
    while True:
        if hour is not None and t // 3600 % 24 != hour:
            t += 3600 - t % 3600
        elif minute is not None and t // 60 % 60 != minute:
            t += 60 - t % 60
        elif second is not None and t % 60 != second:
            t += 1
        else:
            return t - now


@device("mc146818rtc", "MC146818 real-time clock and CMOS RAM")
class MC146818(Device):
    REGISTERS = {0: "index", 1: "data"}

    @dataclass
    class State:
        VERSION = 1
        index: int = 0
        ram: bytearray = field(default_factory=lambda: bytearray(128))
        origin: int = 0                 # time of the clock at which the divider chain was zero
        seconds: int = 0                # since then, as far as they have been counted
        ticks: int = 0                  # of the periodic rate since then, likewise

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.irq = IRQ()
        self.alarm = lambda: None       # called when the alarm interrupts
        self.timer = clock.timer(self.due, "mc146818")
        ram = self.s.ram
        ram[REG_A] = 0x26               # 32 kHz, 1024 Hz
        ram[REG_B] = REG_B_24H
        ram[REG_D] = REG_D_VRT
        self.set_time(datetime(1980, 1, 1))

    def wake(self):
        """It has a battery."""

    def reset(self):
        """The RESET pin: time, calendar and RAM stay, and the data mode; the interrupts go."""
        ram = self.s.ram
        self.sync()
        ram[REG_B] &= ~(REG_B_PIE | REG_B_AIE | REG_B_UIE | REG_B_SQWE)
        ram[REG_C] = 0
        self.update()

    # ---------------------------------------------------------------- registers
    def write_index(self, value):
        index = value & 0x7F
        self.s.index = index if index != PS2_CENTURY else CENTURY

    def read_data(self):
        s = self.s
        index = s.index
        if index > REG_C:
            return s.ram[index] if index != CENTURY else self.read_time(index)
        if index == REG_C:
            return self.read_flags()
        if index == REG_A:
            return s.ram[REG_A] | self.uip()
        if index == REG_B:
            return s.ram[REG_B]
        return self.read_time(index)

    def write_data(self, value):
        s = self.s
        index = s.index
        if index > REG_D and index != CENTURY:
            s.ram[index] = value
            return
        self.sync()
        if index == REG_A:
            self.write_a(value & ~REG_A_UIP)
        elif index == REG_B:
            # "SET going high clears UIE"
            s.ram[REG_B] = value & ~REG_B_UIE if value & REG_B_SET else value
        elif index == SECONDS:
            s.ram[SECONDS] = value & 0x7F
        elif index not in (REG_C, REG_D):
            s.ram[index] = value
        self.update()

    def write_a(self, value):
        s = self.s
        stood = not self.runs()
        s.ram[REG_A] = value
        if stood and self.runs():
            # "The first update cycle begins one-half second after the divider reset is removed."
            s.origin = self.clock.get_ns() - NANOSECONDS // 2
            s.seconds = 0
        s.ticks = self.tick_at(self.clock.get_ns())

    def read_time(self, index):
        self.sync()
        return self.s.ram[index]

    def read_flags(self):
        """Reading C acknowledges: it clears every flag and drops the line."""
        self.sync()
        value = self.s.ram[REG_C] | (REG_C_IRQF if self.irq.level else 0)
        self.s.ram[REG_C] = 0
        self.update()
        return value

    # ---------------------------------------------------------------- time
    def runs(self):
        """Does the divider chain run (DV of register A is no reset)?"""
        return self.s.ram[REG_A] & 0x70 <= 0x20

    def rate(self):
        """Hz of the periodic interrupt; 0: none. Datasheet table 5, 32.768 kHz."""
        select = self.s.ram[REG_A] & 0x0F
        return (0, 256, 128)[select] if select < 3 else 65536 >> select

    def tick_at(self, now):
        return (now - self.s.origin) * self.rate() // NANOSECONDS

    def uip(self):
        s = self.s
        if s.ram[REG_B] & REG_B_SET or not self.runs():
            return 0
        left = NANOSECONDS - (self.clock.get_ns() - s.origin) % NANOSECONDS
        return REG_A_UIP if left <= UIP_NS else 0

    def sync(self):
        """Count what has passed since the last time: registers of time, and the flags of C."""
        s = self.s
        if not self.runs():
            return
        now = self.clock.get_ns()
        ticks = self.tick_at(now)
        if ticks != s.ticks:
            if ticks > s.ticks:
                s.ram[REG_C] |= REG_C_PF
            s.ticks = ticks
        seconds = (now - s.origin) // NANOSECONDS
        if seconds != s.seconds:
            passed = seconds - s.seconds            # negative: somebody has set the clock back
            s.seconds = seconds
            if not s.ram[REG_B] & REG_B_SET:
                self.advance(passed)

    def advance(self, passed):
        """So many update cycles."""
        ram = self.s.ram
        if passed > 0:
            ram[REG_C] |= REG_C_UF
            distance = self.seconds_to_alarm()
            if distance is not None and distance <= passed:
                ram[REG_C] |= REG_C_AF
                if ram[REG_B] & REG_B_AIE:
                    self.alarm()
        days, second = divmod(self.second_of_day() + passed, DAY_SECONDS)
        self.set_second_of_day(second)
        if days:
            ram[WEEKDAY] = self.encode((self.decode(ram[WEEKDAY]) - 1 + days) % 7 + 1)
            self.set_date(self.ordinal() + days)

    def decode(self, value):
        return value if self.s.ram[REG_B] & REG_B_DM else (value >> 4) * 10 + (value & 0x0F)

    def encode(self, value):
        return value if self.s.ram[REG_B] & REG_B_DM else value // 10 << 4 | value % 10

    def decode_hour(self, value):
        if self.s.ram[REG_B] & REG_B_24H:
            return self.decode(value)
        return self.decode(value & ~HOURS_PM) % 12 + (12 if value & HOURS_PM else 0)

    def encode_hour(self, hour):
        if self.s.ram[REG_B] & REG_B_24H:
            return self.encode(hour)
        return self.encode((hour + 11) % 12 + 1) | (HOURS_PM if hour >= 12 else 0)

    def second_of_day(self):
        ram = self.s.ram
        return self.decode_hour(ram[HOURS]) * 3600 + self.decode(ram[MINUTES]) * 60 + self.decode(ram[SECONDS])

    def set_second_of_day(self, second):
        ram = self.s.ram
        ram[SECONDS] = self.encode(second % 60)
        ram[MINUTES] = self.encode(second // 60 % 60)
        ram[HOURS] = self.encode_hour(second // 3600)

    def century(self):
        """The century to count with; what is none in its byte counts as the twentieth's end."""
        century = self.decode(self.s.ram[CENTURY])
        return century if 1 <= century <= 98 else 19

    def ordinal(self):
        """The date as a number of days; a 31st of February is the third day of March."""
        ram = self.s.ram
        month = min(max(self.decode(ram[MONTH]), 1), 12)
        year = self.century() * 100 + self.decode(ram[YEAR]) % 100
        return date(year, month, 1).toordinal() + self.decode(ram[DAY]) - 1

    def set_date(self, ordinal):
        ram = self.s.ram
        day = date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))
        ram[DAY] = self.encode(day.day)
        ram[MONTH] = self.encode(day.month)
        ram[YEAR] = self.encode(day.year % 100)
        if 1 <= self.decode(ram[CENTURY]) <= 98:
            ram[CENTURY] = self.encode(day.year // 100)

    def set_time(self, now):
        """Set the clock, down to the microsecond, as if the guest had: a datetime."""
        s = self.s
        s.ram[CENTURY] = self.encode(now.year // 100)
        self.set_date(now.toordinal())
        s.ram[WEEKDAY] = self.encode(now.isoweekday() % 7 + 1)      # Sunday is 1
        self.set_second_of_day(now.hour * 3600 + now.minute * 60 + now.second)
        clock = self.clock.get_ns()
        s.origin = clock - now.microsecond * 1000
        s.seconds = 0
        s.ticks = self.tick_at(clock)
        self.update()

    def time(self):
        """The date and time that the registers show, as a datetime."""
        self.sync()
        return datetime.fromordinal(self.ordinal()) + timedelta(seconds=self.second_of_day())

    # ---------------------------------------------------------------- interrupts
    def seconds_to_alarm(self):
        ram = self.s.ram
        second, minute, hour = (None if ram[at] >= ALARM_ANY else decode(ram[at]) for at, decode in (
            (SECONDS_ALARM, self.decode), (MINUTES_ALARM, self.decode), (HOURS_ALARM, self.decode_hour)))
        return alarm_distance(self.second_of_day(), (second, minute, hour))

    def update(self):
        """After any change: the line, and the timer for the next flag that would raise it."""
        s = self.s
        ram = s.ram
        enabled = ram[REG_B] & REG_C_FLAGS
        self.irq.set(ram[REG_C] & enabled)
        awaited = enabled & ~ram[REG_C]
        if not awaited or not self.runs():
            self.timer.cancel()
            return
        due = []
        rate = self.rate()
        if awaited & REG_C_PF and rate:
            due.append(s.origin - (s.ticks + 1) * -NANOSECONDS // rate)         # rounded up
        if not ram[REG_B] & REG_B_SET:
            if awaited & REG_C_UF:
                due.append(s.origin + (s.seconds + 1) * NANOSECONDS)
            if awaited & REG_C_AF:
                distance = self.seconds_to_alarm()
                if distance is not None:
                    due.append(s.origin + (s.seconds + distance) * NANOSECONDS)
        if due:
            self.timer.mod_ns(min(due))
        else:
            self.timer.cancel()

    def due(self):
        self.sync()
        self.update()

    def clock_set_back(self):
        """The clock that the chip counts has gone backwards."""
        self.sync()
        self.s.ticks = self.tick_at(self.clock.get_ns())
        self.update()
