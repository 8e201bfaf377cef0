"""Calls that run one after the other, in the order in which they were made: at once, or in a thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class CallsInOrder:
    """Runs calls at once until one may run later: from then on all run in a thread, in order.

    What they change is changed in the order of the calls, whatever the time that each takes.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._error: BaseException | None = None

    def later(self, call: Callable[[], Result]) -> "Future[Result]":
        """Run a call in the thread.

        Args:
            call: Runs after all earlier calls, and before all later ones.

        Returns:
            Its result, or the exception that it raised.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="proposals")
        return self._thread.submit(call)

    def wait_for(self, call: Callable[[], Result]) -> Result:
        """Run a call and return its result."""
        return call() if self._thread is None else self.result(self.later(call))

    def run(self, call: Callable[[], None]) -> None:
        """Run a call that has no result. In the thread its exception is raised by the next `result`."""
        if self._thread is None:
            call()
        else:
            self.later(call).add_done_callback(self._keep_error)

    def result(self, made: "Future[Result]") -> Result:
        """The result of a call that runs in the thread. Waits for it if necessary.

        Raises:
            BaseException: What it raised, or what an earlier call of `run` raised.
        """
        try:
            return made.result()
        finally:
            if self._error is not None:
                raise self._error

    def _keep_error(self, done: "Future[None]") -> None:
        self._error = self._error or done.exception()
