"""Bounded channels between the stages of a pipeline, all under one lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Windows does not interrupt a wait without an end: Ctrl-C would not come through.
_WAIT_S = 1.0


class Stopped(BaseException):
    """Told to a stage that must end because a later one did; not an error of its own.

    Not an Exception, so that nobody's `except Exception` swallows it.
    """


class Channel(Generic[Item]):
    """Items in order from one thread to another; who is ahead waits."""

    def __init__(self, condition: threading.Condition, capacity: int) -> None:
        """Share `condition` with the other channels of the pipeline; hold up to `capacity`."""
        self._condition = condition
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._closed = False
        self._stopped = False

    def put(self, item: Item) -> None:
        """Append an item, once there is room.

        Raises:
            Stopped: Nobody will take it.
        """
        with self._condition:
            while len(self._items) >= self._capacity and not self._stopped:
                self._condition.wait(_WAIT_S)
            if self._stopped:
                raise Stopped
            self._items.append(item)
            self._condition.notify_all()

    def close(self) -> None:
        """Say that nothing follows; what is inside still comes out."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Say that nothing will be taken any more."""
        with self._condition:
            self._stopped = True
            self._items.clear()
            self._condition.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """The items until the channel is closed and empty.

        Raises:
            Stopped: Somebody stopped the channel.
        """
        while True:
            with self._condition:
                while not self._items and not self._closed and not self._stopped:
                    self._condition.wait(_WAIT_S)
                if self._stopped:
                    raise Stopped
                if not self._items:
                    return
                item = self._items.popleft()
                self._condition.notify_all()
            yield item
