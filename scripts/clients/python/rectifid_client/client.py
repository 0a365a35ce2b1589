"""Sends jobs to a pool of workers and hears of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import pika
from google.protobuf.message import DecodeError

from . import names
from .errors import InvalidArgument, RectifidError, Unavailable, error_of
from .job import Job, Picture
from .link import Link, NotDeclared, parameters
from .personalization_pb2 import (
    CANCEL_OUTCOME_NOTED, SUBJECT_PERSON, CancelReply, CancelRequest, DescribeReply, DescribeRequest,
    PersonalizeRequest, Progress, Reference, Result,
)

PictureSource = Union[str, Path, bytes, Reference]


def reference(picture: PictureSource, subject: int = SUBJECT_PERSON, label: str = "") -> Reference:
    """A reference picture: the path or the bytes of a JPEG or PNG file."""
    if isinstance(picture, Reference):
        return picture
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return Reference(image=data, subject=subject, label=label)


class Client:
    """A connection to the workers' broker. Use it in one thread at a time; close it, or use it in a `with` statement.

    url             amqp://user:password@host:port/vhost or amqps://; $RECTIFID_AMQP_URL by default
    pool            name that the pool's queues begin with
    client_name     whom a fair share of the workers is for, such as a customer: jobs of different names do not wait for
                    one another
    ca_file         PEM file of the authorities to trust with amqps://; the system's by default
    certificate     PEM files of the client's certificate and key, where the broker asks for one
    key
    connect_timeout seconds to wait for the broker, at the start and whenever the connection is lost
    deadline_grace  seconds after a job's deadline in which an answer still counts
    fetch           gets a picture that a worker left in the shared store: takes the key, returns the bytes

    A lost connection comes back at the next call, with the replies that came in between.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        pool: Optional[str] = None,
        client_name: Optional[str] = None,
        ca_file: Optional[str] = None,
        certificate: Optional[str] = None,
        key: Optional[str] = None,
        connect_timeout: float = 30,
        deadline_grace: float = 5,
        heartbeat: int = 30,
        fetch: Optional[Callable[[str], bytes]] = None,
    ) -> None:
        environment = os.environ
        self.pool = names.Pool(pool or environment.get("RECTIFID_POOL") or "rectifid")
        self._client_name = client_name
        self._jobs: Dict[str, Job] = {}
        self._answers: Dict[str, List[bytes]] = {}
        self._patience = connect_timeout
        self._grace = deadline_grace
        self._fetch = fetch
        self._link = Link(
            parameters(
                url or environment.get("RECTIFID_AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672/",
                ca_file=ca_file or environment.get("RECTIFID_TLS_CA") or None,
                certificate=certificate or environment.get("RECTIFID_TLS_CERTIFICATE") or None,
                key=key or environment.get("RECTIFID_TLS_KEY") or None, heartbeat=heartbeat),
            self._route, connect_timeout)
        self._link.open()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        return self._link.is_closed

    def close(self) -> None:
        """Closes the connection and deletes the reply queue."""
        self._link.close()

    # Jobs.

    def personalize(
        self,
        references: Union[PictureSource, Sequence[PictureSource]],
        prompt: str,
        *,
        lane: str = "interactive",
        timeout: Optional[float] = None,
        job_id: Optional[str] = None,
        traceparent: Optional[str] = None,
        progress: Optional[Callable[[Progress], None]] = None,
        **fields: Any,
    ) -> Picture:
        """Makes one picture and waits for it.

        references  one to four: paths or bytes of JPEG or PNG files, or Reference messages
        timeout     seconds after which the picture is of no use, for workers and for this call
        progress    called for each Progress
        fields      other fields of PersonalizeRequest: seed, iterations, model_id, ...

        Raises a RectifidError. A KeyboardInterrupt cancels the job at the workers.
        """
        if isinstance(references, (str, Path, bytes, Reference)):
            references = [references]
        request = PersonalizeRequest(references=[reference(one) for one in references], prompt=prompt, **fields)
        if progress is not None and not request.progress_interval:
            request.progress_interval = 1
        job = self.submit(request, lane=lane, timeout=timeout, job_id=job_id, traceparent=traceparent)
        try:
            for event in job:
                if progress is not None and isinstance(event, Progress):
                    progress(event)
        except KeyboardInterrupt:
            job.cancel("interrupted")
            raise
        return job.picture()

    def submit(
        self,
        request: PersonalizeRequest,
        *,
        lane: str = "interactive",
        timeout: Optional[float] = None,
        job_id: Optional[str] = None,
        traceparent: Optional[str] = None,
        tracestate: Optional[str] = None,
        headers: Optional[Dict[str, Any]] = None,
    ) -> Job:
        """Publishes a job, confirmed by the broker.

        Sending a job again after an error, under the same job_id, is safe: it is the same job.

        Raises ResourceExhausted where the lane is full, Unavailable where the pool has no queues or no broker is there.
        """
        job_id = names.new_id() if job_id is None else job_id
        body = request.SerializeToString()
        self._check(job_id, lane, body, timeout, traceparent)
        now = time.time()
        headers = dict(headers or {}, **{"rectifid-due": int(now * 1000)})
        if self._client_name is not None:
            headers["rectifid-client"] = self._client_name
        if timeout is not None:
            headers["rectifid-deadline"] = int((now + timeout) * 1000)
        if traceparent:
            headers["traceparent"] = traceparent
        if tracestate:
            headers["tracestate"] = tracestate
        correlation_id = names.new_id()
        job = Job(self, job_id, correlation_id, None if timeout is None else now + timeout + self._grace)
        self._jobs[correlation_id] = job
        patience = self._patience if timeout is None else min(timeout, self._patience)
        properties = self._properties(names.PERSONALIZE, job_id, correlation_id, headers)
        until = time.monotonic() + patience
        key = self.pool.routing_key(lane, self._client_name)
        try:
            try:
                self._link.publish(self.pool.work_exchange, key, properties, body, until, job_id)
            except Unavailable:
                # The pool on the broker has fewer shards than this one.
                if key == lane:
                    raise
                self._link.publish(self.pool.work_exchange, lane, properties, body, until, job_id)
        except BaseException:
            self._forget(correlation_id)
            raise
        return job

    @staticmethod
    def _check(job_id: str, lane: str, body: bytes, timeout: Optional[float], traceparent: Optional[str]) -> None:
        if not names.is_job_id(job_id):
            raise InvalidArgument(f"job id {job_id[:140]!r}; allowed: 1 to 128 visible ASCII characters")
        if lane not in names.LANES:
            raise InvalidArgument(f"lane {lane!r}; allowed: {', '.join(names.LANES)}", job_id=job_id)
        if len(body) > names.MAXIMUM_REQUEST_BYTES:
            raise InvalidArgument(
                f"the request has {len(body)} bytes; allowed: {names.MAXIMUM_REQUEST_BYTES}; put large references into"
                " the shared store and send their keys", job_id=job_id)
        if timeout is not None and not 0 < timeout < 1e9:
            raise InvalidArgument(f"timeout of {timeout} s; allowed: seconds above 0", job_id=job_id)
        if traceparent is not None and not names.is_traceparent(traceparent):
            raise InvalidArgument("traceparent is not of the form that W3C Trace Context gives it", job_id=job_id)

    def picture_of(self, result: Result, job_id: str) -> Picture:
        """The picture of a result, from the shared store if it lies there; raises the error of one without."""
        if result.status.code != 0:
            raise error_of(result.status, job_id)
        data = result.image
        if result.WhichOneof("picture") == "image_key":
            if self._fetch is None:
                raise Unavailable(
                    f"the picture lies in the shared store as '{result.image_key}'; give the client a fetch function",
                    retryable=False, job_id=job_id)
            data = self._fetch(result.image_key)
        return Picture(data, result, job_id)

    # Questions to all workers.

    def cancel(self, job_id: str, reason: str = "", *, wait: float = 3) -> List[CancelReply]:
        """Asks all workers to stop a job, running or queued; returns what they answer within `wait` seconds.

        Returns at once when the worker that has the job has answered. Holds for a day, also for workers that start later
        and where none answers.
        """
        if not names.is_job_id(job_id):
            raise InvalidArgument(f"job id {job_id[:140]!r}; allowed: 1 to 128 visible ASCII characters")
        body = CancelRequest(job_id=job_id, reason=reason).SerializeToString()

        def is_last(answer: bytes) -> bool:
            return CancelReply.FromString(answer).outcome != CANCEL_OUTCOME_NOTED

        try:
            bodies = self._ask(names.CANCEL, self.pool.cancel_exchange, body, wait, is_last)
        except NotDeclared:
            # A pool that was declared by an older version: whoever listens now will know.
            bodies = self._ask(names.CANCEL, self.pool.control_exchange, body, wait, is_last)
        return [CancelReply.FromString(body) for body in bodies]

    def describe(self, worker_id: str = "", *, wait: float = 2) -> List[DescribeReply]:
        """Asks all workers, or one, who they are and what they do; returns what they answer within `wait` seconds."""
        bodies = self._ask(
            names.DESCRIBE, self.pool.control_exchange, DescribeRequest(worker_id=worker_id).SerializeToString(), wait,
            lambda _: bool(worker_id))
        return [DescribeReply.FromString(body) for body in bodies]

    def _ask(
        self, method: str, exchange: str, body: bytes, wait: float, is_last: Callable[[bytes], bool]
    ) -> List[bytes]:
        correlation_id = names.new_id()
        answers: List[bytes] = []
        self._answers[correlation_id] = answers
        try:
            self._link.publish(
                exchange, "", self._properties(method, correlation_id, correlation_id, {}), body,
                time.monotonic() + self._patience)
            until = time.monotonic() + wait
            count = 0
            while time.monotonic() < until:
                if len(answers) == count:
                    self._pump(max(until - time.monotonic(), 0))
                    continue
                count += 1
                if is_last(answers[count - 1]):
                    break
            return answers
        except DecodeError as error:
            raise RectifidError(f"an answer that does not follow the contract: {error}") from error
        finally:
            del self._answers[correlation_id]

    def _properties(
        self, method: str, message_id: str, correlation_id: str, headers: Dict[str, Any]
    ) -> pika.BasicProperties:
        return pika.BasicProperties(
            content_type=names.CONTENT_TYPE, type=method, message_id=message_id, correlation_id=correlation_id,
            reply_to=self._link.reply_queue, delivery_mode=2, timestamp=int(time.time()), headers=headers or None)

    # Replies.

    def _route(self, properties: pika.BasicProperties, body: bytes) -> None:
        correlation_id = properties.correlation_id or ""
        job = self._jobs.get(correlation_id)
        if job is not None:
            job._receive(body)
        elif correlation_id in self._answers:
            self._answers[correlation_id].append(body)

    def _pump(self, seconds: float) -> None:
        self._link.pump(seconds)

    def _forget(self, correlation_id: str) -> None:
        self._jobs.pop(correlation_id, None)
