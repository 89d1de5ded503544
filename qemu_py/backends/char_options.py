"""-chardev BACKEND,id=ID,KEY=VALUE...: a character device with a name, for -serial chardev:ID and its like.

    null, stdio, pty        nothing more
    vc,cols=N,rows=N        both may be left out
    file,path=PATH
    socket,path=PATH or host=HOST,port=PORT; server=on|off,wait=on|off
    mux=on                  with any of them: Ctrl-A is an escape key, as with mon:
"""
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean, no_such

KEYS = {"null": (), "stdio": (), "pty": (), "vc": ("cols", "rows"), "file": ("path",),
        "socket": ("path", "host", "port", "server", "wait", "nodelay")}


def chardev_text(text, backend, properties):
    """(id, the short description that chardev_new takes); `properties` is [(key, value or None)]."""
    options = {key: "on" if value is None else value for key, value in properties}
    if backend not in KEYS:
        raise UserError(f"-chardev {text}: {no_such('backend', backend, KEYS)}")
    name = options.pop("id", "")
    if not name:
        raise UserError(f"-chardev {text}: id=ID is missing")
    mux = options.pop("mux", "off")
    if mux not in ("on", "off"):
        raise UserError(f"-chardev {text}: mux is on or off")
    for key, value in options.items():
        if key not in KEYS[backend]:
            raise UserError(f"-chardev {text}: {no_such('key', key, ('id', 'mux', *KEYS[backend]))}")
        if "," in value and backend == "socket":
            raise UserError(f"-chardev {text}: a socket's {key} cannot have a comma")
    short = backend
    if backend == "file":
        if not options.get("path"):
            raise UserError(f"-chardev {text}: path=PATH is missing")
        short = f"file:{options['path']}"
    elif backend == "vc" and ("cols" in options or "rows" in options):
        short = f"vc:{options.get('cols', 80)}x{options.get('rows', 24)}"
    elif backend == "socket":
        short = socket_text(text, options)
    return name, f"mon:{short}" if mux == "on" else short


def socket_text(text, options):
    if options.get("path"):
        words = [f"unix:{options['path']}"]
    elif "host" in options or "port" in options:
        host = options.get("host", "")
        words = [f"tcp:{f'[{host}]' if ':' in host else host}:{options.get('port', '')}"]
    else:
        raise UserError(f"-chardev {text}: give path=PATH, or host=HOST,port=PORT")
    return ",".join(words + [f"{key}={options[key]}" for key in ("server", "wait") if key in options])


class NamedChardevs:
    """The devices of -chardev, each for one front end."""

    def __init__(self):
        self.texts = {}
        self.used = set()

    def add(self, text, backend, properties):
        name, short = chardev_text(text, backend, properties)
        if name in self.texts:
            raise UserError(f"-chardev {text}: there is a character device '{name}' already")
        self.texts[name] = short

    def resolve(self, text, option):
        """The short description behind chardev:ID; any other text as it is."""
        kind, _, name = text.partition(":")
        if kind != "chardev":
            return text
        if name not in self.texts:
            raise UserError(f"{option} {text}: there is no character device '{name}'{did_you_mean(name, self.texts)}; make it with -chardev BACKEND,id={name}")
        if name in self.used:
            raise UserError(f"{option} {text}: it is in use by another option")
        self.used.add(name)
        return self.texts[name]

    def check_used(self):
        for name in self.texts:
            if name not in self.used:
                raise UserError(f"-chardev id={name}: nothing uses it; write for example -serial chardev:{name}")
