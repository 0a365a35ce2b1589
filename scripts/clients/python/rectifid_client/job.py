"""A job under way, and the picture at its end."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Deque, Dict, Iterator, Optional, Union

from google.protobuf.message import DecodeError

from .errors import DeadlineExceeded, Internal, RectifidError, Unavailable
from .personalization_pb2 import IMAGE_FORMAT_PNG, Accepted, PersonalizeEvent, Progress, Result

if TYPE_CHECKING:
    from .client import Client

Event = Union[Accepted, Progress, Result]


@dataclass(frozen=True)
class Picture:
    """A finished picture: the bytes of a JPEG or PNG file, and the Result that it came with."""

    data: bytes
    result: Result
    job_id: str

    @property
    def format(self) -> str:
        return "png" if self.result.format == IMAGE_FORMAT_PNG else "jpeg"

    def save(self, path: Union[str, Path]) -> None:
        Path(path).write_bytes(self.data)


class Job:
    """A job under way: iterate over it for its events, Accepted, Progress and last Result.

    Events that come with the number and the bytes of an earlier one are copies and are left out. After a worker died,
    another begins again: then Accepted comes again, and what follows it replaces what came before.
    """

    def __init__(self, client: Client, job_id: str, correlation_id: str, until: Optional[float]) -> None:
        self.job_id = job_id
        self._client = client
        self._correlation_id = correlation_id
        # Of time.time(), as the job's deadline is; grace included.
        self._until = until
        self._events: Deque[PersonalizeEvent] = deque()
        self._seen: Dict[int, int] = {}
        self._error: Optional[RectifidError] = None
        self._result: Optional[Result] = None

    def __iter__(self) -> Iterator[Event]:
        """Raises DeadlineExceeded where no result has come by the deadline and a grace after it."""
        while self._result is None:
            if not self._events:
                self._wait()
                continue
            event = self._events.popleft()
            kind = event.WhichOneof("event")
            if kind == "result":
                self._result = event.result
                self._client._forget(self._correlation_id)
            if kind is not None:
                yield getattr(event, kind)

    def result(self) -> Result:
        """Waits for the Result, whatever its status."""
        for _ in self:
            pass
        assert self._result is not None
        return self._result

    def picture(self) -> Picture:
        """Waits for the picture; raises the RectifidError of a job that ends without one."""
        return self._client.picture_of(self.result(), self.job_id)

    def cancel(self, reason: str = "", wait: float = 0) -> None:
        """Asks the workers to stop the job; its result then says CANCELLED."""
        self._client.cancel(self.job_id, reason, wait=wait)

    def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        left = 1.0 if self._until is None else self._until - time.time()
        if left <= 0:
            self._client._forget(self._correlation_id)
            raise DeadlineExceeded(
                "no result by the deadline; start more workers or allow more time", job_id=self.job_id)
        if self._client.is_closed:
            raise Unavailable("the client was closed before the result came", retryable=False, job_id=self.job_id)
        self._client._pump(min(left, 1.0))

    def _receive(self, body: bytes) -> None:
        try:
            event = PersonalizeEvent.FromString(body)
        except DecodeError as error:
            self._error = Internal(f"a reply is no PersonalizeEvent: {error}", retryable=False, job_id=self.job_id)
            return
        digest = hash(body)
        if self._seen.get(event.sequence) == digest:
            return
        if len(self._seen) >= 8192:
            self._seen.clear()
        self._seen[event.sequence] = digest
        self._events.append(event)
