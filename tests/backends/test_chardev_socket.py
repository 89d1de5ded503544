"""Sockets: servers and clients, TCP and local."""
import os
import socket
import threading

import pytest

from qemu_py.backends.char_new import chardev_new
from qemu_py.util.errors import UserError
from tests.loops import turn_until


def new(text):
    return chardev_new(text, "-serial")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "sock")


@pytest.fixture(params=["tcp", "unix"])
def server(request, path):
    chardev = new("tcp:127.0.0.1:0,server,nowait" if request.param == "tcp" else f"unix:{path},server,nowait")
    yield chardev
    chardev.close()


def connect(chardev):
    if chardev.path is not None:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(chardev.path)
        return sock
    return socket.create_connection(("127.0.0.1", chardev.port))


def test_without_a_peer_output_is_dropped(server, loop):
    server.open(loop)
    assert server.write(b"nobody") == 6


def test_bytes_pass_both_ways(server, front_end, loop):
    front = front_end(server)
    server.open(loop)
    peer = connect(server)
    turn_until(loop, lambda: front.events)
    peer.sendall(b"in")
    turn_until(loop, lambda: front.got == b"in")
    assert front.events == ["opened"]
    assert server.write(b"out") == 3
    assert peer.recv(10) == b"out"
    peer.close()


def test_the_next_peer_is_served_when_the_first_has_gone(server, front_end, loop):
    front = front_end(server)
    server.open(loop)
    for n, text in enumerate((b"one", b"onetwo"), 1):
        peer = connect(server)
        peer.sendall(text[-3:])
        peer.close()
        turn_until(loop, lambda: len(front.events) == 2 * n)
        assert front.got == text
    assert front.events == ["opened", "closed"] * 2
    assert server.write(b"x") == 1


def test_a_peer_that_reads_nothing_holds_output_back_until_it_does(server, front_end, loop):
    front = front_end(server)
    server.open(loop)
    peer = connect(server)
    turn_until(loop, lambda: front.events)
    sends, sent = front.sends, 0
    while taken := server.write(b"x" * 512):
        sent += taken
    got = 0
    while front.sends == sends:
        if got < sent:
            got += len(peer.recv(1 << 20))
        loop.main_loop_wait(got < sent)
    assert server.write(b"y") == 1
    while got < sent + 1:
        got += len(peer.recv(1 << 20))
    assert got == sent + 1
    peer.close()


def test_a_client_connects(path, front_end, loop):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    chardev = new(f"unix:{path}")
    front = front_end(chardev)
    chardev.open(loop)
    peer = listener.accept()[0]
    peer.sendall(b"hello")
    turn_until(loop, lambda: front.got == b"hello")
    peer.close()
    turn_until(loop, lambda: front.events)
    assert front.events == ["closed"] and chardev.write(b"x") == 1
    chardev.close()
    listener.close()


def test_a_server_that_waits_begins_with_its_peer(path, capsys):
    """The peer connects as soon as the path is there."""
    listening = threading.Event()
    listen = socket.socket.listen

    def peer_thread():
        listening.wait(60)
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.sendall(b"x")
        peers.append(sock)
    peers = []
    thread = threading.Thread(target=peer_thread)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "listen", lambda self, n: (listen(self, n), listening.set())[0], raising=False)
        chardev = new(f"unix:{path},server")
    thread.join()
    assert chardev.peer is not None and "waiting for a connection" in capsys.readouterr().err
    chardev.close()
    peers[0].close()


def test_a_stale_path_is_replaced_and_ours_is_removed_at_the_end(path):
    new(f"unix:{path},server=on,wait=off").listener.close()
    chardev = new(f"unix:{path},server=on,wait=off")
    assert os.path.exists(path)
    chardev.close()
    chardev.close()
    assert not os.path.exists(path)


@pytest.mark.parametrize("text", ["tcp:", "tcp:host", "tcp:127.0.0.1:x", "tcp:127.0.0.1:70000", "unix:", "unix:/no/such/dir/s",
                                  "unix:/no/such/dir/s,server,nowait", "tcp:127.0.0.1:0,server,foo",
                                  "tcp:127.0.0.1:0,server,wait=maybe"])
def test_a_bad_description_is_one_clear_line(text):
    with pytest.raises(UserError, match="-serial") as error:
        new(text)
    assert "\n" not in str(error.value)


def test_a_path_that_is_no_socket_is_not_removed(tmp_path):
    path = tmp_path / "precious"
    path.write_bytes(b"data")
    with pytest.raises(UserError):
        new(f"unix:{path},server,nowait")
    assert path.read_bytes() == b"data"
