"""Ctrl-C and SIGTERM as a wish to stop after the current step."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Self

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupts:
    """While entered, the first Ctrl-C or SIGTERM is only noted in `received`; a second one acts as usual.

    Unless it comes within `patience_seconds`: a process of several may get the same one from the system and from the
    launcher. Does nothing outside the main thread, where Python allows no signal handlers.
    """

    def __init__(self, patience_seconds: float = 0.0) -> None:
        self.received: signal.Signals | None = None
        self._patience_seconds = patience_seconds
        self._received_at = 0.0
        self._previous: dict[signal.Signals, signal.Handlers | object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in EXIT_CODES:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 0 when neither came."""
        return EXIT_CODES[self.received] if self.received is not None else 0

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._received_at = signal.Signals(number), now
        elif now - self._received_at >= self._patience_seconds:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]
