"""The run states of a machine and the ways between them, after QEMU 1.0's RunState (vl.c, qapi-schema.json).

A machine that runs may come to any standstill; most of them end with RESUME alone. A guest that has
shut down, or whose CPU is in a state that it cannot leave, goes on only through a reset, which makes
it `paused`. A state that is asked for again is no transition, and is allowed.
"""
PRELAUNCH = "prelaunch"                 # not started yet
RUNNING = "running"
PAUSED = "paused"                       # by the user
DEBUG = "debug"                         # at a breakpoint
IO_ERROR = "io-error"                   # a drive failed, and werror= or rerror= says stop
INTERNAL_ERROR = "internal-error"
WATCHDOG = "watchdog"
SHUTDOWN = "shutdown"                   # the guest turned itself off, with -no-shutdown
SUSPENDED = "suspended"                 # to RAM (ACPI S3): the CPUs are off, time and devices that wake go on
SAVE_VM = "save-vm"
RESTORE_VM = "restore-vm"
INMIGRATE = "inmigrate"                 # waits for an incoming migration
FINISH_MIGRATE = "finish-migrate"       # stopped for the last part of an outgoing one
POSTMIGRATE = "postmigrate"

TRANSITIONS = {
    PRELAUNCH: {RUNNING, INMIGRATE, RESTORE_VM, FINISH_MIGRATE},
    RUNNING: {PAUSED, DEBUG, IO_ERROR, INTERNAL_ERROR, WATCHDOG, SHUTDOWN, SUSPENDED, SAVE_VM, RESTORE_VM, FINISH_MIGRATE},
    PAUSED: {RUNNING, RESTORE_VM, SAVE_VM, FINISH_MIGRATE},
    DEBUG: {RUNNING, FINISH_MIGRATE},
    IO_ERROR: {RUNNING, FINISH_MIGRATE},
    WATCHDOG: {RUNNING, FINISH_MIGRATE},
    INTERNAL_ERROR: {PAUSED, FINISH_MIGRATE},
    SHUTDOWN: {PAUSED, FINISH_MIGRATE},
    SUSPENDED: {RUNNING, FINISH_MIGRATE},
    SAVE_VM: {RUNNING, PAUSED},
    RESTORE_VM: {RUNNING, PAUSED, PRELAUNCH},
    INMIGRATE: {RUNNING, PRELAUNCH, PAUSED},
    FINISH_MIGRATE: {RUNNING, POSTMIGRATE, PAUSED},
    POSTMIGRATE: {RUNNING, FINISH_MIGRATE},
}
NEEDS_RESET = {SHUTDOWN, INTERNAL_ERROR}


class RunState:
    """One machine's state, `current`."""

    def __init__(self):
        self.current = PRELAUNCH

    def may_become(self, new):
        return new == self.current or new in TRANSITIONS[self.current]

    def set(self, new):                 # runstate_set
        """An illegal transition is our mistake, not the user's: check with may_become() first."""
        if new not in TRANSITIONS:
            raise ValueError(f"there is no run state {new!r}")
        if not self.may_become(new):
            raise AssertionError(f"invalid run state transition: {self.current} to {new}")
        self.current = new

    @property
    def is_running(self):
        return self.current == RUNNING

    @property
    def is_suspended(self):
        return self.current == SUSPENDED

    @property
    def time_passes(self):
        """Does the guest's time, whether or not its CPUs do anything?"""
        return self.current in (RUNNING, SUSPENDED)

    @property
    def needs_reset(self):              # runstate_needs_reset
        return self.current in NEEDS_RESET
