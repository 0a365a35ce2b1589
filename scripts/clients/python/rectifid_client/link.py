"""A connection to RabbitMQ that comes back: publishes are confirmed, replies survive a lost connection."""

from __future__ import annotations

import logging
import random
import ssl
import time
from typing import Callable, Optional

import pika
from pika import exceptions

from . import names
from .errors import DeadlineExceeded, Internal, PermissionDenied, RectifidError, ResourceExhausted, Unauthenticated
from .errors import Unavailable

log = logging.getLogger("rectifid_client")

_advice = "start a worker, or run: rectifid topology --declare"


class NotDeclared(Unavailable):
    """The broker has no such exchange or queue."""


class Link:
    """One connection with one channel and one reply queue. Not for use by several threads at the same time.

    The reply queue has a name of its own and lives on without the connection, so that a lost connection loses no reply.
    """

    def __init__(
        self,
        parameters: pika.connection.Parameters,
        on_reply: Callable[[pika.BasicProperties, bytes], None],
        patience: float,
    ) -> None:
        self._parameters = parameters
        self._on_reply = on_reply
        self._patience = patience
        self._connection: Optional[pika.BlockingConnection] = None
        self._channel = None
        self.reply_queue = "rectifid.reply." + names.new_id()
        self.is_closed = False

    def open(self, until: Optional[float] = None) -> None:
        """Connects where there is no connection, with jittered pauses, until a time of time.monotonic()."""
        if self.is_closed:
            raise Unavailable("the client is closed", retryable=False)
        until = time.monotonic() + self._patience if until is None else until
        pause = 0.1
        while self._connection is None or not self._connection.is_open:
            try:
                self._connect()
                return
            except (exceptions.ProbableAuthenticationError, exceptions.AuthenticationError) as error:
                raise Unauthenticated("the broker refused the login; check user name and password") from error
            except exceptions.ProbableAccessDeniedError as error:
                raise PermissionDenied("the broker refused access to the virtual host") from error
            except ssl.SSLCertVerificationError as error:
                raise Unavailable(f"the broker's certificate is not trusted: {error}", retryable=False) from error
            except (exceptions.AMQPError, OSError) as error:
                self._drop()
                left = until - time.monotonic()
                if left <= 0:
                    raise Unavailable(f"no broker at {self._address}: {error!r}") from error
                log.info("no broker at %s, trying again: %r", self._address, error)
                time.sleep(min(pause * random.uniform(0.5, 1), left))
                pause = min(pause * 2, 15)
        if not self._channel or not self._channel.is_open:
            self._open_channel()

    def publish(
        self, exchange: str, routing_key: str, properties: pika.BasicProperties, body: bytes, until: float,
        job_id: Optional[str] = None,
    ) -> None:
        """Publishes mandatory and waits for the broker's confirm.

        Where the connection is lost before that, the message is published again on the next one: the same message id
        makes it the same job.
        """
        while True:
            self.open(until)
            try:
                self._channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
                return
            except exceptions.UnroutableError as error:
                raise Unavailable(f"the broker has no queue behind exchange '{exchange}'; {_advice}") from error
            except exceptions.NackError as error:
                raise ResourceExhausted(
                    f"queue '{exchange}.{routing_key}' holds as many jobs as it may; send the job again later, under"
                    " the same id", job_id=job_id) from error
            except exceptions.ChannelClosedByBroker as error:
                raise _channel_error(error) from error
            except (exceptions.AMQPError, OSError) as error:
                self._lost(error)
                if time.monotonic() >= until:
                    raise DeadlineExceeded("the broker did not confirm in time", retryable=True, job_id=job_id) from error

    def pump(self, seconds: float) -> None:
        """Takes what comes, for that long at most; comes back after the first replies."""
        self.open()
        try:
            self._connection.process_data_events(time_limit=seconds)
        except exceptions.ChannelClosedByBroker as error:
            raise _channel_error(error) from error
        except (exceptions.AMQPError, OSError) as error:
            self._lost(error)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        try:
            if self._connection is not None and self._connection.is_open:
                if self._channel.is_open:
                    self._channel.queue_delete(self.reply_queue)
                self._connection.close()
        except (exceptions.AMQPError, OSError) as error:
            log.info("not closed in order: %r", error)

    @property
    def _address(self) -> str:
        return f"{self._parameters.host}:{self._parameters.port}"

    def _connect(self) -> None:
        self._connection = pika.BlockingConnection(self._parameters)
        self._open_channel()

    def _open_channel(self) -> None:
        channel = self._connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(
            self.reply_queue, durable=True,
            arguments={"x-queue-type": "classic", "x-expires": names.REPLY_QUEUE_EXPIRY_MS})
        channel.basic_qos(prefetch_count=64)
        channel.basic_consume(self.reply_queue, self._take)
        self._channel = channel

    def _take(self, channel, method, properties: pika.BasicProperties, body: bytes) -> None:
        self._on_reply(properties, body)
        # A reply that is delivered again is dropped as a copy.
        channel.basic_ack(method.delivery_tag)

    def _lost(self, error: BaseException) -> None:
        log.warning("connection to %s lost: %r", self._address, error)
        self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except (exceptions.AMQPError, OSError):
            pass


def _channel_error(error: exceptions.ChannelClosedByBroker) -> RectifidError:
    if error.reply_code == 404:
        return NotDeclared(f"{error.reply_text}; {_advice}")
    if error.reply_code == 403:
        return PermissionDenied(error.reply_text)
    return Internal(f"the broker closed the channel: {error.reply_code} {error.reply_text}")


def parameters(
    url: str, *, ca_file: Optional[str], certificate: Optional[str], key: Optional[str], heartbeat: int,
) -> pika.connection.Parameters:
    """What pika needs to know.

    With `amqps://` the broker must show a certificate of one of the authorities, for its own host name.
    """
    result = pika.URLParameters(url)
    # An empty path means the standard virtual host, as for rectifid itself.
    if not result.virtual_host:
        result.virtual_host = "/"
    if url.lower().startswith("amqps:"):
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            context.load_cert_chain(certificate, key)
        result.ssl_options = pika.SSLOptions(context, result.host)
    elif ca_file or certificate:
        raise ValueError("ca_file and certificate need an amqps:// URL")
    result.heartbeat = heartbeat
    # A broker without memory or disk stops taking messages; without this a publish would wait for ever.
    result.blocked_connection_timeout = 60
    result.socket_timeout = result.stack_timeout = 15
    result.connection_attempts = 1
    result.client_properties = {"connection_name": "rectifid python client"}
    return result
