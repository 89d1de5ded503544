"""tcp:HOST:PORT and unix:PATH: a stream socket; with `server` we listen, else we connect.

    server, server=on|off   wait for a peer to connect; one at a time, and the next when it has gone
    wait=on|off, nowait     a server: begin only when somebody is there (the default: on)
    nodelay                 accepted: small packets are sent at once anyway

While nobody is connected, output is dropped. Not modelled: reconnecting, telnet, TLS.
"""
import os
import re
import socket
import stat
import sys

from qemu_py.backends.chardev import FDChar
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

SWITCHES = ("server", "wait", "nowait", "nodelay", "delay")


def parse_switches(text, words):
    """(server, wait) of the words behind the address."""
    server, wait = False, True
    for word in words:
        key, sep, value = word.partition("=")
        if sep and value not in ("on", "off"):
            raise UserError(f"{text}: '{key}' is on or off")
        on = value != "off"
        if key == "server":
            server = on
        elif key == "wait":
            wait = on
        elif word == "nowait":
            wait = False
        elif key not in SWITCHES:
            raise UserError(f"{text}: {no_such('key', key, SWITCHES)}")
    return server, wait


def parse_address(text, kind, address):
    """(family, address) for the socket module."""
    if kind == "unix":
        if not address:
            raise UserError(f"{text}: a path is missing after 'unix:'")
        return socket.AF_UNIX, address
    m = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*)):([0-9]+)", address)
    if not m or int(m[3]) > 65535:
        raise UserError(f"{text}: write tcp:HOST:PORT")
    host = m[1] or m[2] or ""
    try:
        found = socket.getaddrinfo(host or None, int(m[3]), type=socket.SOCK_STREAM, flags=0 if host else socket.AI_PASSIVE)
    except OSError as e:
        raise UserError(f"{text}: {host}: {e.strerror}") from None
    return found[0][0], found[0][4]


class SocketChar(FDChar):
    """`text` is the description as the user wrote it."""

    def __init__(self, text):
        kind, _, rest = text.partition(":")
        address, *words = rest.split(",")
        super().__init__(text)
        self.peer = self.listener = self.path = None
        family, where = parse_address(text, kind, address)
        server, wait = parse_switches(text, words)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if server:
                self._listen(sock, family, where)
            else:
                sock.connect(where)
        except OSError as e:
            sock.close()
            raise UserError(f"{text}: cannot {'listen' if server else 'connect'}: {e.strerror or e}") from None
        if not server:
            self._connected(sock)
            return
        self.listener = sock
        if wait:
            print(f"qemu-py: waiting for a connection on {text}", file=sys.stderr)
            try:
                self._connected(sock.accept()[0])
            except BaseException:
                self.close()
                raise
        sock.setblocking(False)

    def _listen(self, sock, family, where):
        if family == socket.AF_UNIX:
            try:
                if stat.S_ISSOCK(os.stat(where).st_mode):
                    os.unlink(where)    # left behind by somebody who has ended
            except FileNotFoundError:
                pass
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        if family == socket.AF_UNIX:
            self.path = where
        sock.listen(1)

    @property
    def port(self):
        """TCP port that we listen at; for port 0, the one that the host chose."""
        return self.listener.getsockname()[1]

    def _connected(self, sock):
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = sock
        self.fd_in, self.fd_out = sock.fileno(), os.dup(sock.fileno())
        self.waiting = self.writable_wanted = False

    def _accept(self):
        try:
            sock = self.listener.accept()[0]
        except OSError:                 # it has gone already
            return
        self._watch_listener(False)
        self._connected(sock)
        self._watch()
        if self.send is not None:
            self.send()
        if self.event is not None:
            self.event("opened")

    def _watch_listener(self, on):
        if self.listener is not None and self.main_loop is not None:
            self.main_loop.set_fd_handler(self.listener.fileno(), self._accept if on else None)

    def open(self, main_loop):
        super().open(main_loop)
        self._watch_listener(self.peer is None)

    def _disconnect(self):
        if self.peer is None:
            return
        for fd in (self.fd_in, self.fd_out):
            if fd is not None and self.main_loop is not None:
                self.main_loop.set_fd_handler(fd)
        os.close(self.fd_out)
        self.peer.close()
        self.peer = self.fd_in = self.fd_out = None

    def _end_of_input(self):
        self._disconnect()
        self._watch_listener(True)
        if self.event is not None:
            self.event("closed")

    def _lost(self, error):
        self._end_of_input()

    def close(self):
        self._watch_listener(False)
        self._disconnect()
        super().close()
        if self.listener is not None:
            self.listener.close()
            self.listener = None
            if self.path is not None:
                try:
                    os.unlink(self.path)
                except OSError:
                    pass
