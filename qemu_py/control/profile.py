"""`qemu-py profile [options] -- <options of qemu-py>`: run a guest to its end, then say where its time went.

    -o FILE             write a speedscope file (open it at speedscope.app)
    --collapsed FILE    write collapsed stacks (flamegraph.pl and others read them)
    --exact             count every block's executions and instructions instead of sampling
    --rate HZ           samples a second of the guest's running time (500)
    --symbols FILE[@BASE]   names out of an ELF file or System.map; BASE (hex): where its first byte is in the guest
    --system-map FILE   the same, of a Linux kernel's System.map
    --top N             rows a table has (10)
    --report FILE       write the tables there; else they go to standard error
"""
import os
import sys

from qemu_py.control.option_grammar import Quit
from qemu_py.control.profile_symbols import Symbols, elf_symbols, load_symbols
from qemu_py.util.dataclass import dataclass, field
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean

OPTIONS = ("-o", "--collapsed", "--report", "--rate", "--symbols", "--system-map", "--top")       # with an argument
MAX_RATE, MAX_TOP = 10_000, 10_000
USAGE = "usage: qemu-py profile [options] -- <options of qemu-py>\n\n" + __doc__.partition("\n\n")[2]


@dataclass
class Options:
    output: str = None
    collapsed: str = None
    report: str = None
    exact: bool = False
    rate: int = 500
    top: int = 10
    symbols: list = field(default_factory=list)         # (option, text)
    guest: list = field(default_factory=list)           # the words behind --


def number(option, text, largest):
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        raise UserError(f"profile: {option} {text}: give a number from 1 to {largest}")
    return int(text)


def parse(words):
    """Options of the words behind `profile`. UserError, or Quit with the help."""
    found = Options()
    words = iter(words)
    for word in words:
        if word == "--":
            found.guest = list(words)
            return found
        if word in ("-h", "-help", "--help"):
            raise Quit(USAGE)
        if word == "--exact":
            found.exact = True
            continue
        if word not in OPTIONS:
            raise UserError(f"profile: {word}: no such option{did_you_mean(word, (*OPTIONS, '--exact'))}; write qemu-py profile [options] -- <options of qemu-py>"
                            " (qemu-py profile --help lists them)")
        text = next(words, None)
        if text is None or text == "--":
            raise UserError(f"profile: {word}: requires an argument")
        if word == "-o":
            found.output = text
        elif word == "--collapsed":
            found.collapsed = text
        elif word == "--report":
            found.report = text
        elif word == "--rate":
            found.rate = number(word, text, MAX_RATE)
        elif word == "--top":
            found.top = number(word, text, MAX_TOP)
        else:
            found.symbols.append((word, text))
    raise UserError("profile: write -- in front of the guest's options, for example: qemu-py profile --exact -- -kernel kernel.elf")


class GuestProfiler:
    """A machine's profile, from start() to finish(); the CPUs stand still at both."""

    def __init__(self, machine, exact=False, rate=500):
        from qemu_py._core.profile import GuestProfile
        self.machine = machine
        self.core = GuestProfile(machine.cpus, exact=exact, period_ns=1_000_000_000 // rate)

    def start(self):
        self.core.start()

    def finish(self):
        """Stop; the Profile, and the text of what the emulator did."""
        found = self.so_far()
        self.core.stop()                # an exact one forgets the blocks that count
        return found

    def so_far(self):
        """The same, and go on."""
        from qemu_py._core.host.listing import host_code
        from qemu_py.control.profile_costs import costs_text
        from qemu_py.control.profile_data import collect
        costs = costs_text(self.machine)
        self.core.collect()
        host = host_code(self.machine.tb_cache)
        return collect(self.core, self.machine.memory.slot_name, host), costs


def read_symbols(files, kernel):
    """Symbols of an ELF kernel, and of files: [(option, text)]."""
    symbols = Symbols()
    if kernel is not None and os.path.isfile(kernel):
        with open(kernel, "rb") as f:
            data = f.read()
        if data.startswith(b"\x7fELF"):
            found = elf_symbols(data, None, kernel)
            if found:
                symbols.add(found)
    for option, text in files:
        load_symbols(symbols, text, option)
    return symbols


def run(words, make_machine):
    """The command; make_machine(words) builds the machine of a command line. The guest's exit status."""
    from qemu_py.control.profile_export import write_collapsed, write_speedscope, write_text
    from qemu_py.control.profile_report import Report
    options = parse(words)
    machine = make_machine(options.guest)
    try:
        symbols = read_symbols(options.symbols, machine.config.kernel)
        profiler = GuestProfiler(machine, options.exact, options.rate)
        profiler.start()
    except BaseException:
        machine.close()
        raise
    status = machine.run()
    profile, costs = profiler.finish()
    if options.output is not None:
        write_speedscope(options.output, profile, symbols, " ".join(["qemu-py", *options.guest]))
    if options.collapsed is not None:
        write_collapsed(options.collapsed, profile, symbols)
    text = Report(profile, symbols, options.top).text(costs)
    if options.report is not None:
        write_text(options.report, text, "--report")
    else:
        sys.stderr.write("\n" + text)
    return status
