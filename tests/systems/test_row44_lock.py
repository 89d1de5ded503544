"""SYSTEMS row 44: whoever asks for the iothread lock gets it, though the guest never pauses."""
import threading

import pytest

SPIN = b"\xeb\xfe"
POLL = b"\xe4\x61\xeb\xfc"              # in al, 61h; jmp: a device access every few instructions


@pytest.mark.parametrize("code", [SPIN, POLL], ids=["in the guest", "in a device"])
def test_a_request_from_another_thread_is_answered_while_the_guest_spins(make_machine, code):
    machine = make_machine(code)
    answers = []

    def ask():
        with machine.main_loop.lock:
            answers.append((machine.runstate, machine.tcg.stopped))
        machine.request_exit(8)
    asker = threading.Thread(target=ask)
    machine.event_listeners.append(lambda event: asker.start())
    assert machine.run() == 8
    asker.join()
    assert answers == [("running", False)]
