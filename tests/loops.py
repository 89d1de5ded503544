"""A main loop that is turned by hand, a time that the test sets, and a front end of a character device."""
import pytest

from qemu_py.system.clocks import init_clocks
from qemu_py.system.main_loop import MainLoop


@pytest.fixture
def loop():
    loop = MainLoop(init_clocks())
    loop.lock.acquire()
    yield loop
    loop.lock.release()
    loop.close()


class FakeTime:
    """A clock's source; `ns` is the test's to change."""

    def __init__(self, ns=0):
        self.ns = ns

    def __call__(self):
        return self.ns


def turn_until(loop, done, turns=60):
    """Turn the loop, each time for a second at most, until done(); what another end has sent may be on its way."""
    while not done():
        assert turns, "nothing comes"
        loop.main_loop_wait()
        turns -= 1


class FrontEnd:
    """A device that takes `room` bytes and notes the events."""

    def __init__(self, chardev, room=100):
        self.room, self.got, self.events, self.sends = room, b"", [], 0
        chardev.add_handlers(lambda: self.room - len(self.got), self.receive, self.events.append, self.send)

    def receive(self, data):
        assert len(data) <= self.room - len(self.got)
        self.got += data

    def send(self):
        self.sends += 1
