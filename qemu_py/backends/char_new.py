"""The character device that a text describes, as -serial and its like have it:

    null            takes everything, gives nothing
    file:PATH       writes to a file
    stdio           standard input and output (char_stdio.py)
    mon:DEVICE      any of them, with Ctrl-A as an escape key (char_mux.py)
    pty             a pseudo-terminal (char_pty.py)
    tcp:HOST:PORT   a socket, as unix:PATH; both with ,server and ,wait=off (char_socket.py)
    vc              a text console of the display (char_vc.py)
    none            no device at all
"""
from qemu_py.backends.chardev import CharDevice, FileChar
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean

KINDS = ("none", "null", "stdio", "mon:stdio", "pty", "vc", "file", "tcp", "unix", "chardev")


def chardev_new(text, option, used=None, signals=True):
    """The character device that `text` describes, or None for none.

    `used` is a set in which exclusive devices (stdio) are noted, so that two options cannot share one.
    """
    kind, _, rest = text.partition(":")
    if text == "none":
        return None
    if text == "null":
        return CharDevice()
    if text == "stdio":
        if used is not None:
            if "stdio" in used:
                raise UserError(f"{option} {text}: standard input and output are in use by another option")
            used.add("stdio")
        from qemu_py.backends.char_stdio import StdioChar
        return StdioChar(signals)
    if kind == "mon" and rest not in ("", "none"):
        from qemu_py.backends.char_mux import MuxChar
        return MuxChar(chardev_new(rest, option, used, signals=False))
    if text == "pty":
        from qemu_py.backends.char_pty import PtyChar
        return PtyChar()
    if kind == "vc":
        from qemu_py.backends.char_vc import VCChar
        try:
            return VCChar(rest)
        except UserError as e:
            raise UserError(f"{option} {e}") from None
    if kind in ("tcp", "unix"):
        from qemu_py.backends.char_socket import SocketChar
        try:
            return SocketChar(text)
        except UserError as e:
            raise UserError(f"{option} {e}") from None
    if kind == "file":
        if not rest:
            raise UserError(f"{option} {text}: a file name is missing after 'file:'")
        return FileChar(rest)
    raise UserError(f"{option} {text}: unknown character device{did_you_mean(kind, KINDS)} (known: stdio, mon:stdio, pty, vc,"
                    " file:PATH, tcp:HOST:PORT, unix:PATH, null, none)")
