"""INIT: what port 92h, the keyboard controller and a soft reset through port CF9h do to a PC. Wiring only.

The processors begin anew at the reset vector; memory and devices stay as they are (82371SB datasheet 290550-002, 2.1.3 and RCR;
SDM vol. 3, 9.1). Programs of the 286's time leave protected mode so, and firmware tells such a restart by CMOS 0Fh.
A20 is on then: the vector is in an odd megabyte.
"""
from qemu_py._core import cpu_face
from qemu_py.devices.apic import INIT


def init_requester(machine):
    """What asks for it. Where no firmware waits at the reset vector (a kernel was put in its place), and with -no-reboot, it is a
    reset of the system."""
    def request():
        if machine.config.no_reboot or machine.config.kernel is not None:
            machine.system_reset_request()
            return
        machine.a20.reset()
        machine.next_boot()             # what -boot once= said has been
        for apic in machine.apics:
            apic.deliver(INIT, 0, False)
            if apic.bsp:
                apic.virtual_wire()     # as after a reset (pc_apic.py)
        if not machine.apics:
            machine.cpus[0].interrupt(cpu_face.INTERRUPT_INIT)
            machine.tcg.qemu_cpu_kick(0)
    return request
