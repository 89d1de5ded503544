"""Machine: a PC in this process, for programs and tests.

    from qemu_py import Machine
    with Machine("-m", 64, "-fda", "demo.img", "-icount", "shift=3,sleep=off") as pc:
        pc.expect("demo> ")
        pc.send_serial("ps\r")
        print(pc.expect("demo> "))

The options are the command line's. The guest runs only inside run(), expect() and step(), in the calling thread; between
them its time stands still, too. With -icount and a fixed shift, two such programs see the same guest, to the instruction.
COM1 is the program's, unless -serial or -nographic gives it to somebody else; nothing is displayed.
"""
import re

from qemu_py import options
from qemu_py.control.memory_char import MemoryChar
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags",
             "cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr", "cr0", "cr2", "cr3", "cr4",
             "gdt_base", "gdt_limit", "idt_base", "idt_limit")
PAGE = 4096
TIMEOUT = 60                            # seconds of the guest's time


class MachineEnded(Exception):
    """The guest powered off, or left through isa-debug-exit: `status` is the exit status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Machine:
    def __init__(self, *arguments):
        """QEMU's options, a word each; numbers and paths are turned into text. UserError."""
        from qemu_py.machine import machine
        parse = options.parse_arguments([str(word) for word in arguments])
        self.serial = None              # the MemoryChar of COM1
        parse.display = "none"
        config = options.machine_config(parse)
        if not parse.serials and not parse.nographic:
            self.serial = MemoryChar("COM1")
            config.serials = [self.serial]
        config.single_loop = True
        config.start_paused = False
        self.status = None              # the exit status, when the machine has ended
        self._seen = 0                  # how much of the serial output expect() has gone through
        try:
            self.machine = machine.Machine(config)
        except BaseException:
            parse.close()
            raise
        self._expired = False
        self._stopped = False           # at a breakpoint: the instruction there is still to be executed
        self._timer = self.machine.clocks.vm.timer(self._expire, "timeout")
        with self.machine.main_loop.lock:
            self.machine.power_on()
            self.machine.clocks.vm.disable()

    # ---------------------------------------------------------------- life
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.quit()

    def quit(self):
        """End the machine and give back its files. May be called twice."""
        self.machine.close()

    @property
    def ended(self):
        return self.status is not None or self.machine.closed

    def reset(self):
        """Press the reset button; takes effect when the guest runs next."""
        self.machine.system_reset_request()

    def power_button(self):
        """Press the power button; the guest may shut down (ACPI)."""
        self.machine.system_powerdown_request()

    # ---------------------------------------------------------------- running
    def run(self, until=None, timeout=TIMEOUT):
        """Let the guest run until until() is true: "until"; or for `timeout` seconds of its own time: "timeout"; or to a
        breakpoint: "stopped"; or to its end: "ended". until() is asked whenever the guest has been interrupted by a
        timer, or at the latest after a second; it may look at everything but must not call run()."""
        if self.ended:
            self._raise_ended()
        machine = self.machine
        with machine.main_loop.lock:
            self._resume()
            while self._stopped and not self.ended and not self._one_instruction():
                pass
            if timeout is not None:
                self._expired = False
                self._timer.mod_ns(machine.clocks.vm.get_ns() + int(timeout * 1e9))
            try:
                while True:
                    if until is not None and until():
                        return "until"
                    if self._expired:
                        return "timeout"
                    machine.tcg.main_loop_turn()
                    if machine.main_loop_should_exit():
                        self._end()
                        return "until" if until is not None and until() else "ended"
                    if not machine.run_state.time_passes:
                        self._stopped = True
                        return "stopped"
            finally:
                self._timer.cancel()
                self._expired = False
                machine.clocks.vm.disable()

    def step(self, count=1):
        """Execute a number of instructions of the first CPU. A halted CPU waits for its next interrupt."""
        if self.ended:
            self._raise_ended()
        with self.machine.main_loop.lock:
            self._resume()
            try:
                while count > 0 and not self.ended:
                    count -= self._one_instruction()
            finally:
                self.machine.clocks.vm.disable()

    def _one_instruction(self):
        """Of the first CPU; 0: it is halted, or something had kicked it before it began."""
        from qemu_py._core import cpu_face
        machine = self.machine
        cpu = machine.cpus[0]
        if machine.icount is not None:
            cpu.set_icount(1)
        machine.main_loop.lock.release()
        try:
            reason = cpu.single_step()
        finally:
            machine.main_loop.lock.acquire()
        if reason == cpu_face.EXIT_DEBUG:
            self._stopped = False
        if reason == cpu_face.EXIT_HLT:
            machine.tcg.main_loop_turn()
        else:
            if reason not in (cpu_face.EXIT_DEBUG, cpu_face.EXIT_BUDGET):
                machine.handle_exit(cpu, reason)
            machine.main_loop.main_loop_wait(nonblocking=True)
        if machine.main_loop_should_exit():
            self._end()
        return int(reason == cpu_face.EXIT_DEBUG)

    def expect(self, what, timeout=TIMEOUT, on="serial"):
        """Run until a text, or a compiled regular expression, appears on COM1, behind what the last expect() found; or, on="screen",
        in a line of the text screen. Gives the serial output up to and including it, or the line. TimeoutError after
        `timeout` seconds of guest time, MachineEnded if the guest ends first."""
        find = {"serial": self._find_serial, "screen": self._find_screen}[on]
        pattern = re.compile(re.escape(what)) if isinstance(what, str) else what
        found = []

        def appeared():
            text = find(pattern)
            if text is not None:
                found.append(text)
            return text is not None
        end = self.run(appeared, timeout)
        if end == "until":
            return found[0]
        if end == "ended":
            raise MachineEnded(self.status, f"the guest ended with status {self.status} before {what!r} appeared")
        last = self.serial_output[self._seen:][-200:] if on == "serial" else "\n".join(self.screen_text())
        raise TimeoutError(f"{what!r} did not appear ({end}); the last that was seen: {last!r}")

    def _find_serial(self, pattern):
        text = self.serial_output[self._seen:]
        match = pattern.search(text)
        if match is None:
            return None
        self._seen += match.end()
        return text[:match.end()]

    def _find_screen(self, pattern):
        return next((line for line in self.screen_text() if pattern.search(line)), None)

    def _resume(self):
        machine = self.machine
        if machine.run_state.time_passes:
            machine.clocks.vm.enable()
        else:
            machine.vm_start()

    def _expire(self):
        self._expired = True

    def _end(self):
        if self.machine.failure is not None:
            raise self.machine.failure
        self.status = self.machine.exit_status

    def _raise_ended(self):
        raise MachineEnded(self.status, "the machine has ended" if self.status is None
                           else f"the machine has ended with status {self.status}")

    # ---------------------------------------------------------------- input
    def send_serial(self, text):
        """Give COM1 input: a str (Latin-1) or bytes. It comes as fast as the guest reads it."""
        if self.serial is None:
            raise UserError("send_serial: COM1 belongs to -serial or -nographic")
        with self.machine.main_loop.lock:
            self.serial.send_input(text.encode("latin-1") if isinstance(text, str) else bytes(text))

    def send_keys(self, combination):
        """Press keys by the monitor's names: "ctrl-alt-delete", "up", "f1". The guest sees them when it runs."""
        with self.machine.main_loop.lock:
            self.machine.inputs.send_keys(combination)

    def type(self, text):
        """Type a text on the PS/2 keyboard (US layout)."""
        with self.machine.main_loop.lock:
            self.machine.inputs.type_text(text)

    # ---------------------------------------------------------------- looking
    @property
    def serial_output(self):
        """Everything that the guest has sent to COM1."""
        return self.serial.output.decode("latin-1") if self.serial is not None else ""

    def screen_text(self):
        """The lines of the text screen, without spaces at their ends; [] in a graphics mode or without a display adapter."""
        return self.machine.vga.screen_text() if self.machine.vga is not None else []

    def screenshot(self, path=None):
        """The picture on the screen as PNG: written to a file, or given as bytes."""
        from qemu_py.control import screendump
        with self.machine.main_loop.lock:
            if path is not None:
                return screendump.screendump(self.machine, path, "png")
            return screendump.png(self.picture())

    def picture(self):
        """The picture on the screen as a numpy array of height x width x RGB."""
        if self.machine.vga is None:
            raise UserError("picture: the machine has no display adapter (-vga none)")
        return self.machine.vga.picture()

    def registers(self, cpu=0):
        """{name: value} of a CPU."""
        return {name: getattr(self.machine.cpus[cpu], name) for name in REGISTERS}

    def set_register(self, name, value, cpu=0):
        """Between two instructions; see registers() for the names."""
        if name not in REGISTERS:
            raise UserError(f"set_register: {no_such('register', name, REGISTERS)}")
        setattr(self.machine.cpus[cpu], name, value)

    def read_memory(self, address, size, virtual=False):
        """Bytes of guest memory at a physical address, or, virtual, as the first CPU's page tables have it now."""
        return b"".join(self.machine.memory.address_space_memory.read(start, length)
                        for start, length in self._pieces(address, size, virtual))

    def write_memory(self, address, data, virtual=False):
        """Store bytes, as a device would: code that is changed is seen."""
        at = 0
        for start, length in self._pieces(address, len(data), virtual):
            self.machine.memory.address_space_memory.write(start, bytes(data[at:at + length]))
            at += length

    def _pieces(self, address, size, virtual):
        if not virtual:
            return [(address, size)]
        pieces = []
        while size > 0:
            length = min(size, PAGE - address % PAGE)
            physical = self.machine.cpus[0].translate(address)
            if physical is None:
                raise UserError(f"no page is mapped at {address:#x}")
            pieces.append((physical, length))
            address, size = address + length, size - length
        return pieces

    def counters(self):
        """{name: count}: translation blocks made and invalidated, TLB misses, port and memory-mapped accesses ...; all CPUs'
        instructions with -icount."""
        result = self.machine.cpus[0].counters()
        for cpu in self.machine.cpus[1:]:
            for name in ("tlb_fill_count", "insn_count"):
                result[name] += cpu.counters()[name]
        return result

    @property
    def time_ns(self):
        """The guest's time since power-on."""
        return self.machine.clocks.vm.get_ns()

    def breakpoint(self, address):
        """Stop run() before the instruction at a linear address (of every CPU)."""
        for cpu in self.machine.cpus:
            cpu.breakpoint_insert(address)

    def remove_breakpoint(self, address):
        for cpu in self.machine.cpus:
            cpu.breakpoint_remove(address)
