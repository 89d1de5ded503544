"""A machine: its clocks, main loop, memory, CPUs and devices; reset, stop and end; run().

Everything hangs off the Machine object, so several live in one process. What it is made of is
decided by the board (registry.py, pc.py), from a MachineConfig.
"""
import functools
import os
import sys

from qemu_py._core import cpu_face
from qemu_py.machine.drives import Drives
from qemu_py.machine import run_state
from qemu_py.machine.registry import find_machine
from qemu_py.machine.vcpu import TCGThread
from qemu_py.system.clocks import init_clocks
from qemu_py.system.main_loop import MainLoop
from qemu_py.system.memory import Memory
from qemu_py.util.errors import UserError


class Machine:
    def __init__(self, config):
        self.config = config
        self.icount = None
        if config.icount is not None:
            from qemu_py.machine.icount import ICount
            self.icount = ICount(config.icount.shift, config.icount.sleep)
        self.clocks = init_clocks(self.icount.vm if self.icount is not None else None)
        self.main_loop = MainLoop(self.clocks)
        self.memory = Memory(self.main_loop.lock)
        if config.single_loop or self.icount is not None:
            from qemu_py.machine.single_loop import SingleLoop
            self.tcg = SingleLoop(self, self.icount)
        else:
            self.tcg = TCGThread(self)
        self.cpus = self.tcg.cpus
        self.tb_cache = None            # translations, shared by the CPUs
        self.devices = []               # (name, device) in the order in which they were made
        self.chardevs = []
        self.drives = Drives(self.main_loop, self.block_error, self.clocks.vm if self.icount is not None else None)
        self.pci = None                 # the board's PCI bus, if it has one
        self.ide_bus = None             # where -device plugs disks, once that is there
        self.pm = None                  # its power management, if it has that
        self.reset_handlers = []
        self.run_state = run_state.RunState()
        self.closed = False
        self.exit_status = None         # set: the machine is to end
        self.exit_signal = None
        self.reset_requested = False
        self.shutdown_requested = False
        self.powerdown_requested = False
        self.suspend_requested = False
        self.wakeup_requested = False
        self.vmstop_requested = None    # the run state that is asked for
        self.powerdown_handlers = []    # each called when somebody presses the power button
        self.suspend_handlers = []      # each called when the machine is suspended to RAM
        self.close_handlers = []        # each called when the CPUs have stopped for good, before anything is given back
        self.event_listeners = []       # each called with an event's name: SHUTDOWN, RESET, POWERDOWN, STOP, RESUME, SUSPEND, WAKEUP
        self.failure = None
        try:
            with self.main_loop.lock, self.memory.transaction():
                self.board = find_machine(config.machine)
                self.drives.open(config.drives, config.snapshot)
                self.board.init(self)
        except BaseException:
            self.close()
            raise

    # ---------------------------------------------------------------- parts
    def new_cpu(self, model):
        """Make a CPU that runs in this machine's memory."""
        if self.tb_cache is None:
            self.tb_cache = cpu_face.TBCache(self.config.tb_size or cpu_face.DEFAULT_TB_SIZE, self.config.tier)
            if self.clocks.vm.time is not None:
                self.tb_cache.use_time(self.clocks.vm.time)
        cpu = cpu_face.VCPU(model, self.memory.physmap, len(self.cpus), self.tb_cache)
        self.cpus.append(cpu)
        if self.icount is not None:
            self.icount.add_cpu(cpu)
        return cpu

    def add_device(self, name, device):
        """Note a device, for `info` and reset."""
        self.devices.append((name, device))
        self.register_reset(device.reset, device.wake)
        return device

    def add_chardev(self, chardev):
        """Note a character device, opened when the machine starts; None is let through."""
        if chardev is not None:
            chardev.request_quit = functools.partial(self.request_exit, 0)
            self.chardevs.append(chardev)
        return chardev

    def register_reset(self, handler, wake=None):
        """qemu_register_reset: called in the order of registration. wake: called in its place when the machine wakes from a
        suspend to RAM."""
        self.reset_handlers.append((handler, wake or handler))

    def unregister_reset(self, handler):
        self.reset_handlers.remove(next(pair for pair in self.reset_handlers if pair[0] == handler))

    def info_mtree(self):
        """Text of `info mtree`."""
        return self.memory.mtree()

    def info_pci(self):
        """Text of `info pci`."""
        return self.pci.info_pci() if self.pci is not None else "no PCI bus\n"

    # ---------------------------------------------------------------- requests, from any thread
    def system_reset_request(self):
        if self.config.no_reboot:
            self.shutdown_requested = True
        else:
            self.reset_requested = True
        self._requested()

    def system_shutdown_request(self):
        self.shutdown_requested = True
        self._requested()

    def system_powerdown_request(self):
        """Press the power button: the guest may shut down, in its own time."""
        self.powerdown_requested = True
        self._requested()

    def system_suspend_request(self):
        """The guest suspends the machine to RAM."""
        self.suspend_requested = True
        self._requested()

    def system_wakeup_request(self):
        """Something wakes a suspended machine; else nothing happens."""
        if self.run_state.is_suspended or self.suspend_requested:
            self.wakeup_requested = True
            self._requested()

    def system_vmstop_request(self, state=run_state.PAUSED):
        """Stop the guest soon, with this run state."""
        self.vmstop_requested = state
        self._requested()

    def request_exit(self, status):
        """End the machine with this status, whatever -no-shutdown says."""
        self.exit_status = status & 0xFF
        self._requested()

    def killed(self, signal):
        """SIGINT, SIGTERM or SIGHUP asks the machine to end (qemu_system_killed)."""
        self.exit_signal = signal
        if self.exit_status is None:
            self.exit_status = 0
        self._requested()

    def failed(self, exception):
        """A device model let an exception escape: our bug. Ends the machine and is raised by run()."""
        if self.failure is None:
            self.failure = exception
        self._requested()

    def _requested(self):
        self.tcg.stop_requested = True
        self.tcg.kick()
        self.main_loop.notify()

    # ---------------------------------------------------------------- what a CPU stopped for
    def handle_exit(self, cpu, reason):
        """A CPU left the guest. False: it is halted and has nothing to do."""
        if reason == cpu_face.EXIT_HLT:
            return False
        if reason == cpu_face.EXIT_TRIPLE:
            self.system_reset_request()
        elif reason == cpu_face.EXIT_DEBUG:
            self.system_vmstop_request(run_state.DEBUG)
        return True

    # ---------------------------------------------------------------- run states
    @property
    def runstate(self):
        """Name of the run state, as `info status` gives it."""
        return self.run_state.current

    def runstate_set(self, new):
        """Only a legal transition; see run_state.py."""
        self.run_state.set(new)

    def monitor_protocol_event(self, event):
        """Tell the listeners."""
        for listener in list(self.event_listeners):
            listener(event)

    def vm_start(self):
        """Let the guest run. UserError when only a reset can make it."""
        if self.run_state.is_running:
            return
        if self.run_state.needs_reset:
            raise UserError(f"the machine is in the state '{self.runstate}': reset it first")
        if self.run_state.is_suspended:
            raise UserError("the guest has suspended the machine: system_wakeup or system_powerdown wakes it")
        self.runstate_set(run_state.RUNNING)
        self.clocks.vm.enable()
        self.tcg.resume()
        self.drives.retry()
        self.monitor_protocol_event("RESUME")

    def vm_stop(self, state=run_state.PAUSED):
        """Stop the guest now. One that is stopped already keeps its state."""
        if self.run_state.is_running:
            self.clocks.vm.disable()
            self.tcg.pause()
            self.runstate_set(state)
            self.drives.flush_all()
            self.monitor_protocol_event("STOP")

    def block_error(self, backend, error):
        """rerror= or werror= has it that the machine stops."""
        print(f"qemu-py: {backend.name}: {os.strerror(error)}; the machine is stopped", file=sys.stderr)
        self.vm_stop(run_state.IO_ERROR)

    def system_reset(self):
        """qemu_system_reset: every handler in turn. The CPUs are stopped."""
        for handler, _ in list(self.reset_handlers):
            handler()

    def system_suspend(self):
        """qemu_system_suspend: the CPUs have no power; RAM has, and whoever may wake the machine."""
        self.tcg.pause()
        for cpu in self.cpus:
            cpu.reset()
            cpu.halted = True           # with interrupts off
        for handler in list(self.suspend_handlers):
            handler()
        self.runstate_set(run_state.SUSPENDED)
        self.monitor_protocol_event("SUSPEND")

    def system_wakeup(self):
        """qemu_system_wakeup: as a reset, for all that had no power."""
        self.tcg.pause()
        for _, wake in list(self.reset_handlers):
            wake()
        self.runstate_set(run_state.RUNNING)
        self.monitor_protocol_event("WAKEUP")

    def main_loop_should_exit(self):
        """Serve the requests; True: leave the main loop."""
        if self.exit_status is not None or self.failure is not None:
            return True
        if self.shutdown_requested:
            self.shutdown_requested = False
            self.monitor_protocol_event("SHUTDOWN")
            if not self.config.no_shutdown:
                self.exit_status = 0
                return True
            self.vm_stop(run_state.SHUTDOWN)
        if self.reset_requested:
            self.reset_requested = False
            self.tcg.pause()
            self.system_reset()
            self.monitor_protocol_event("RESET")
            if self.run_state.needs_reset:
                self.runstate_set(run_state.PAUSED)
            elif self.run_state.is_suspended:
                self.runstate_set(run_state.RUNNING)
            self.suspend_requested = self.wakeup_requested = False
        if self.powerdown_requested:
            self.powerdown_requested = False
            self.monitor_protocol_event("POWERDOWN")
            for handler in list(self.powerdown_handlers):
                handler()
        if self.suspend_requested:
            self.suspend_requested = False
            if self.run_state.is_running:
                self.system_suspend()
        if self.wakeup_requested:
            self.wakeup_requested = False
            if self.run_state.is_suspended:
                self.system_wakeup()
        if self.vmstop_requested is not None:
            state, self.vmstop_requested = self.vmstop_requested, None
            self.vm_stop(state)
        if self.run_state.time_passes and self.tcg.stop_requested:
            self.tcg.resume()           # it stopped so that the requests be served at once
        return False

    def set_singlestep(self, on):
        """One instruction in each translation block, or as many as there are. The CPUs stand still."""
        self.config.singlestep = on
        for cpu in self.cpus:
            cpu.set_singlestep(on)

    # ---------------------------------------------------------------- from power-on to the end
    def power_on(self):
        """Reset and, unless it is to start paused, run. The lock is held."""
        for chardev in self.chardevs:
            chardev.open(self.main_loop)
        if self.config.singlestep:
            self.set_singlestep(True)
        self.system_reset()
        self.tcg.start()
        if not self.config.start_paused:
            self.vm_start()

    def run(self):
        """Run to the end in the calling thread; the exit status."""
        self.main_loop.install_signals(self.killed)
        try:
            with self.main_loop.lock:
                self.power_on()
                while not self.main_loop_should_exit():
                    self.tcg.main_loop_turn()
                if self.run_state.is_running:
                    self.runstate_set(run_state.SHUTDOWN)
                self.clocks.vm.disable()
                if self.exit_signal is not None:
                    self.monitor_protocol_event("SHUTDOWN")
        finally:
            self.close()
        if self.failure is not None:
            raise self.failure
        self.kill_report()
        return self.exit_status

    def kill_report(self):              # qemu_kill_report
        if self.exit_signal is not None:
            print(f"qemu-py: terminating on signal {int(self.exit_signal)}", file=sys.stderr)

    def close(self):
        """Stop the CPUs and give back what was opened. May be called twice."""
        if self.closed:
            return
        self.closed = True
        if not self.tcg.join():         # it still uses what would be given back
            raise RuntimeError("the CPU's thread does not leave the guest")
        for handler in self.close_handlers:
            handler()
        with self.main_loop.lock:
            self.drives.close()
            for chardev in self.chardevs:
                chardev.close()
        self.main_loop.close()
