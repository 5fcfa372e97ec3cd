"""Being asked to stop, between two steps instead of within one."""

import signal
import threading

__all__ = ["Interruption"]


class Interruption:
    """Notes SIGINT and SIGTERM while the block runs, instead of dying by them.

    A second signal does what it would have done without this. Outside of the main
    thread, where Python lets nobody catch signals, nothing is noted.

    Attributes:
        signal: The number of the signal that came; `None` until then.

    Example:
    >>> import os
    >>> with Interruption() as interruption:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     interruption.signal is signal.SIGTERM
    True
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number, frame):
        self.signal = signal.Signals(number)
        self._restore()

    def _restore(self):
        while self._before:
            signal.signal(*self._before.popitem())
