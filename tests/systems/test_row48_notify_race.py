"""SYSTEMS row 48: woken from any thread, also by a notify that comes while the loop takes note of another."""
import os
import select

import pytest

from qemu_py.system import main_loop
from qemu_py.system.clocks import init_clocks


@pytest.fixture
def loop():
    loop = main_loop.MainLoop(init_clocks())
    yield loop
    loop.close()


def wakes(loop):
    """Would the loop wake now?"""
    return bool(select.select([loop._wake_read], [], [], 0)[0])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_notify_during_the_read_of_the_pipe_does_not_silence_the_next(loop, monkeypatch, when):
    read = os.read

    def interrupted(fd, count):
        if when == "before":
            loop.notify()
        data = read(fd, count)
        if when == "after":
            loop.notify()
        return data
    loop.notify()
    with loop.lock:
        monkeypatch.setattr(main_loop.os, "read", interrupted)
        loop.main_loop_wait()
        monkeypatch.setattr(main_loop.os, "read", read)
    loop.notify()
    assert wakes(loop)


def test_what_was_scheduled_by_that_notify_runs_in_the_same_turn(loop, monkeypatch):
    ran, read = [], os.read
    bh = loop.bh_new(lambda: ran.append(1))

    def interrupted(fd, count):
        data = read(fd, count)
        bh.schedule()
        return data
    loop.notify()
    with loop.lock:
        monkeypatch.setattr(main_loop.os, "read", interrupted)
        loop.main_loop_wait()
    assert ran == [1]
