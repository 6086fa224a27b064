import signal

import pytest

from unpaired.training.interrupts import Interrupts


@pytest.fixture(autouse=True)
def usual_handlers():
    """Python's own handlers, which a test run in the background does not start with."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted(number, exit_code):
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert interrupts.exit_code == 0
        signal.raise_signal(number)
        assert interrupts.received == number
        assert interrupts.exit_code == exit_code
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_acts_as_usual():
    def stop_twice():
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        stop_twice()


def test_the_same_interrupt_may_come_from_two_sides():
    with Interrupts(patience_seconds=1000) as interrupts:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.exit_code == 143
    with Interrupts(patience_seconds=0) as interrupts:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
