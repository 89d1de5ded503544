"""The command `qemu-py`: options to a machine, its errors to one line, its end to a status."""
import functools
import gc
import os
import signal
import sys

from qemu_py import options
from qemu_py.control.option_grammar import Quit
from qemu_py.control.option_streams import serial_texts, terminal_is_free
from qemu_py.util.errors import UserError

PROGRAM = "qemu-py"


def main(arguments=None):
    """Run the command line; the exit status."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:   # see __main__.py
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run(sys.argv[1:] if arguments is None else arguments)
    except Quit as answer:
        return say(str(answer))
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        if not (error.name or "").startswith("qemu_py._core"):
            raise
        print(f"{PROGRAM}: {os.path.dirname(__file__)} holds sources that are not built: start the installed package from another directory,"
              " or build these (pip install -e .)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:           # before the machine handles signals itself
        print(f"{PROGRAM}: terminating on signal 2", file=sys.stderr)
        return 0


def say(text):
    """The answer to a question, on standard output; the exit status."""
    try:
        print(text, end="", flush=True)
        return 0
    except OSError as error:
        # Keep the interpreter from failing once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):      # else whoever read the answer has gone
            print(f"{PROGRAM}: cannot write to standard output: {error.strerror}", file=sys.stderr)
        return 1


def run(arguments):
    if arguments[:1] == ["profile"]:
        from qemu_py.control import profile
        gc.enable()
        return profile.run(arguments[1:], make_machine)
    machine = make_machine(arguments)
    gc.freeze()                         # modules and machine stay: no collection looks at them
    gc.enable()
    return machine.run()


def parse_demo(arguments):
    """`qemu-py demo [options]`, or nothing at all: the demo guest in the terminal, else on standard input and output."""
    from qemu_py.machine.demo import SCREEN_GREETING, SERIAL_GREETING, demo_arguments
    parse = options.parse_arguments([*demo_arguments(), *arguments])
    parse.greeting = SCREEN_GREETING
    asked_for = parse.serials or parse.nographic or parse.display == "curses"
    if not asked_for and not terminal_is_free(parse):
        parse.serials = ["mon:stdio"]
    if "mon:stdio" in serial_texts(parse):
        print(f"{PROGRAM}: {SERIAL_GREETING}", file=sys.stderr, flush=True)
    return parse


def make_machine(arguments):
    """The machine of a command line, with its controls."""
    if not arguments or arguments[0] == "demo":
        parse = parse_demo(arguments[1:])
    else:
        parse = options.parse_arguments(arguments)
    config = options.machine_config(parse)
    try:
        from qemu_py.machine.machine import Machine
        machine = Machine(config)
    except BaseException:
        parse.close()
        raise
    add_controls(machine, parse)
    if parse.perfmap:
        from qemu_py.control.perfmap import write_perfmap
        machine.close_handlers.append(functools.partial(write_perfmap, machine))
    return machine


def add_controls(machine, parse):
    """The log, the monitors, and the guest's screen in our terminal."""
    try:
        if parse.log_file is not None or parse.log_items:
            from qemu_py.control.guest_log import set_log
            from qemu_py.util import log
            log.cpu_set_log_filename(parse.log_file)
            if parse.log_items:
                set_log(machine, log.cpu_str_to_log_mask(parse.log_items))
        if parse.monitor_chardevs or any(chardev.has_monitor for chardev in machine.chardevs):
            from qemu_py.control.monitor import add_monitors
            add_monitors(machine, parse.monitor_chardevs)
        if parse.display == "curses":
            from qemu_py.control.terminal_display import TerminalDisplay
            machine.add_chardev(TerminalDisplay(machine, greeting=parse.greeting, consoles=parse.consoles, graphics=parse.graphics))
    except BaseException:
        machine.close()
        raise


if __name__ == "__main__":
    sys.exit(main())
