"""The human monitor: HMP(machine).command(line) gives the answer's text. No I/O here: monitor.py has that.

Call it with the iothread lock held, by another thread than the CPUs': the guest runs on meanwhile, and is
held only for what needs it to stand still (registers, memory). Commands and their spelling are QEMU's.
"""
import re
from typing import NamedTuple

from qemu_py._core import cpu_face
from qemu_py.control import hmp_args
from qemu_py.control.guest_log import set_log
from qemu_py.control.hmp_control import (do_boot_set, do_logfile, do_memory_save, do_mouse_button, do_mouse_move,
                                         do_physical_memory_save, do_profile, do_singlestep, do_sum)
from qemu_py.control.hmp_info import do_info, help_info
from qemu_py.control.hmp_media import do_change, do_commit, do_eject
from qemu_py.control.hmp_memory import (do_ioport_read, do_ioport_write, do_memory_dump, do_physical_memory_dump, do_print,
                                        register)
from qemu_py.control.screendump import screendump
from qemu_py.util import log
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean

NAME = re.compile(r"\s*([^\s/]+)")
NMI_PIN = 1                             # LINT1


class HMP:
    """A monitor's state is the CPU that it looks at, and what was typed before."""

    def __init__(self, machine):
        self.machine = machine
        self.cpu_index = 0
        self.history = []               # lines, bytes; the monitor's

    @property
    def cpu(self):
        return self.machine.cpus[self.cpu_index]

    def command(self, line):
        """The answer, "" for none; what the user did wrong is a line."""
        found = NAME.match(line)
        if not found:
            return f"unknown command: '{line.strip()}' (help lists them)\n" if line.strip() else ""
        name = found[1]
        command = BY_NAME.get(name)
        if command is None:
            return f"{unknown_command(name)}\n"
        arguments = hmp_args.Arguments(line[found.end():], lambda name: register(self.cpu, name))
        try:
            return command.handler(self, **hmp_args.parse(command.arguments, arguments))
        except RecursionError:          # of brackets
            return f"{name}: this expression is too deep\n"
        except UserError as error:
            text = str(error)
            told = text.startswith(("unknown command", f"{name}:", f"{name} "))
            return f"{text}\n" if told else f"{name}: {text}\n"


class Command(NamedTuple):
    names: str                          # "quit|q"
    arguments: str                      # for hmp_args.parse
    parameters: str                     # as help shows them
    help: str
    handler: object                     # (hmp, **values) -> text


def unknown_command(name):
    return f"unknown command: '{name}'{did_you_mean(name, BY_NAME)} (help lists them)"


# ---------------------------------------------------------------- run state
def do_stop(hmp):
    hmp.machine.vm_stop()
    return ""


def do_cont(hmp):
    hmp.machine.vm_start()
    return ""


def do_quit(hmp):
    hmp.machine.request_exit(0)
    return ""


def do_system_reset(hmp):
    hmp.machine.system_reset_request()
    return ""


def do_system_wakeup(hmp):
    if not hmp.machine.run_state.is_suspended:
        raise UserError("system_wakeup: the machine is not suspended")
    hmp.machine.system_wakeup_request()
    return ""


def do_system_powerdown(hmp):
    hmp.machine.system_powerdown_request()
    return ""


# ---------------------------------------------------------------- the rest
def do_help(hmp, name):
    if name == "info":
        return help_info()
    if name is not None and name not in BY_NAME:
        raise UserError(unknown_command(name))
    commands = COMMANDS if name is None else [BY_NAME[name]]
    return "".join(f"{f'{command.names} {command.parameters}'.rstrip()}  -- {command.help}\n" for command in commands)


def do_cpu(hmp, index):
    if index >= len(hmp.machine.cpus):
        raise UserError(f"there is no CPU #{index}")
    hmp.cpu_index = index
    return ""


def do_nmi(hmp):
    """The board's NMI line: LINT1 of every local APIC, where there are such."""
    machine = hmp.machine
    for apic in machine.apics:
        apic.set_lint(NMI_PIN, 1)
        apic.set_lint(NMI_PIN, 0)
    if not machine.apics:
        machine.cpus[0].interrupt(cpu_face.INTERRUPT_NMI)
        machine.tcg.qemu_cpu_kick(0)
    return ""


def do_log(hmp, items):
    if items in ("help", "?"):
        return log.help_text()
    set_log(hmp.machine, log.cpu_str_to_log_mask(items, "log"))
    return ""


def do_sendkey(hmp, keys, hold_time):
    if hold_time is None:
        hmp.machine.inputs.send_keys(keys)
    else:
        hmp.machine.inputs.send_keys(keys, hold_time * 1_000_000)
    return ""


def do_screendump(hmp, filename, option, format):
    if option not in (None, "-f"):
        raise UserError(f"'{option}' is too much")
    if option and format is None:
        raise UserError("'format' is missing")
    screendump(hmp.machine, filename, format)
    return ""


COMMANDS = (
    Command("help|?", "name:s?", "[cmd]", "show the help", do_help),
    Command("info", "item:S?", "[subcommand]", "show what there is to know; info lists it", do_info),
    Command("quit|q", "", "", "end the machine", do_quit),
    Command("stop", "", "", "stop the guest", do_stop),
    Command("cont|c", "", "", "let the guest go on", do_cont),
    Command("system_reset", "", "", "press the reset button", do_system_reset),
    Command("system_powerdown", "", "", "press the power button", do_system_powerdown),
    Command("singlestep", "option:s?", "[on|off]", "one instruction in each translation block, as -singlestep", do_singlestep),
    Command("system_wakeup", "", "", "wake the machine, which the guest has suspended to RAM", do_system_wakeup),
    Command("cpu", "index:i", "index", "choose the CPU that is looked at", do_cpu),
    Command("x", "fmt:/,addr:i", "/fmt addr", "show memory at a linear address", do_memory_dump),
    Command("xp", "fmt:/,addr:i", "/fmt addr", "show memory at a physical address", do_physical_memory_dump),
    Command("print|p", "fmt:/,val:i", "/fmt expr", "show the value of an expression; $eax is a register", do_print),
    Command("i", "fmt:/,addr:i,index:i?", "/fmt addr [index]", "read a port, or write index there and read the next",
            do_ioport_read),
    Command("o", "fmt:/,addr:i,val:i", "/fmt addr value", "write a port", do_ioport_write),
    Command("sendkey", "keys:s,hold_time:i?", "keys [hold_ms]", "press keys, for example ctrl-alt-f1", do_sendkey),
    Command("mouse_move", "dx:i,dy:i,dz:i?", "dx dy [dz]", "move the mouse: right, down, wheel", do_mouse_move),
    Command("mouse_button", "state:i", "state", "press the mouse's buttons: 1 left, 2 middle, 4 right, 0 none", do_mouse_button),
    Command("screendump", "filename:s,option:s?,format:s?", "filename [-f png|ppm]", "write the screen to a file",
            do_screendump),
    Command("eject", "force:-f,device:s", "[-f] device", "take a medium out (-f: though the guest has locked it)", do_eject),
    Command("change", "device:s,target:s,format:s?", "device filename [format]", "put another medium in", do_change),
    Command("commit", "device:s", "device|all", "write what -snapshot has kept into the image", do_commit),
    Command("boot_set", "order:s", "letters", "what to boot from after the next reset, as -boot", do_boot_set),
    Command("memsave", "addr:i,size:i,filename:s", "addr size file", "save memory at linear addresses", do_memory_save),
    Command("pmemsave", "addr:i,size:i,filename:s", "addr size file", "save memory at physical addresses", do_physical_memory_save),
    Command("sum", "start:i,size:i", "addr size", "a check sum (BSD's) of physical memory", do_sum),
    Command("profile", "how:s", "on|exact|off", "begin or end a profile; info profile shows it", do_profile),
    Command("nmi", "", "", "raise the NMI line", do_nmi),
    Command("log", "items:s", "item1[,...]", "choose what is logged, as -d; none, help", do_log),
    Command("logfile", "filename:s", "filename", "write the log to another file", do_logfile),
)
BY_NAME = {name: command for command in COMMANDS for name in command.names.split("|")}
