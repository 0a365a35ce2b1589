"""The client against a real RabbitMQ, with the test in the workers' place. Needs $RECTIFID_AMQP_URL."""

from __future__ import annotations

import ssl
import tempfile
import unittest
from pathlib import Path

import pika

from rectifid_client import (
    Accepted, Client, DeadlineExceeded, Internal, InvalidArgument, PersonalizeRequest, Progress, Reference, RectifidError,
    ResourceExhausted, Result, Unauthenticated, Unavailable, new_id,
)
from rectifid_client.errors import error_of
from rectifid_client.personalization_pb2 import CancelRequest, PersonalizeEvent, Status

from .wire import BROKER_URL, Wire, make_certificate

REQUEST = PersonalizeRequest(references=[Reference(image=b"jpeg")], prompt="on the beach")


class BrokerTests(unittest.TestCase):
    """Each test has a pool of its own, whose work queue holds two jobs."""

    def setUp(self) -> None:
        self.pool = "test." + new_id()[:12]
        self.connection = pika.BlockingConnection(pika.URLParameters(BROKER_URL))
        self.addCleanup(self.connection.close)
        self.channel = self.connection.channel()
        self.work = f"{self.pool}.work.interactive"
        self.channel.exchange_declare(f"{self.pool}.work", "direct")
        self.channel.queue_declare(self.work, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        self.channel.queue_bind(self.work, f"{self.pool}.work", "interactive")
        self.channel.exchange_declare(f"{self.pool}.control", "fanout")

    def tearDown(self) -> None:
        self.channel.queue_delete(self.work)
        for kind in ("work", "control"):
            self.channel.exchange_delete(f"{self.pool}.{kind}")

    def client(self, url: str = BROKER_URL, **options) -> Client:
        client = Client(url, pool=self.pool, **options)
        self.addCleanup(client.close)
        return client

    def take(self) -> pika.BasicProperties:
        _, properties, self.body = self.channel.basic_get(self.work, auto_ack=True)
        self.assertIsNotNone(properties, "no request in the queue")
        return properties

    def reply(self, request: pika.BasicProperties, sequence: int, **body) -> None:
        event = PersonalizeEvent(job_id=request.message_id, sequence=sequence, final="result" in body, **body)
        self.send(request, event.SerializeToString())

    def send(self, request: pika.BasicProperties, body: bytes) -> None:
        self.channel.basic_publish(
            "", request.reply_to, body, pika.BasicProperties(correlation_id=request.correlation_id), mandatory=True)

    def test_a_request_carries_what_the_contract_asks_for(self) -> None:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        job = self.client().submit(REQUEST, timeout=60, job_id="job-1", traceparent=trace, headers={"tenant": "a"})
        request = self.take()
        self.assertEqual(PersonalizeRequest.FromString(self.body), REQUEST)
        self.assertEqual(
            (request.message_id, request.type, request.content_type, request.delivery_mode),
            ("job-1", "rectifid.v1.Personalization/Personalize", "application/x-protobuf", 2))
        self.assertEqual((request.headers["traceparent"], request.headers["tenant"]), (trace, "a"))
        self.assertAlmostEqual(request.headers["rectifid-deadline"] / 1000, request.timestamp + 60, delta=2)
        self.assertEqual(job.job_id, "job-1")

    def test_jobs_of_a_client_with_a_name_wait_in_its_shard_of_the_lane(self) -> None:
        # FNV-1a of "a", of "b" and of "d" modulo 4 is 0, 1 and 3; shard 1 is not on the broker.
        shard = f"{self.work}.3"
        self.channel.queue_declare(shard, exclusive=True)
        self.channel.queue_bind(shard, f"{self.pool}.work", "interactive.3")
        for name in "abd":
            self.client(client_name=name).submit(REQUEST, job_id=name)
        requests = [self.channel.basic_get(queue, auto_ack=True)[1] for queue in (self.work, self.work, shard)]
        self.assertEqual([request.message_id for request in requests], ["a", "b", "d"])
        self.assertEqual([request.headers["rectifid-client"] for request in requests], ["a", "b", "d"])

    def test_a_cancellation_goes_to_all_workers_and_to_the_stream_for_those_that_start_later(self) -> None:
        exchange = f"{self.pool}.cancel"
        self.channel.exchange_declare(exchange, "fanout")
        self.addCleanup(self.channel.exchange_delete, exchange)
        # A worker's own queue, whichever shards it serves, and the stream.
        queues = [self.channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
        for queue in queues:
            self.channel.queue_bind(queue, exchange)
        self.client(client_name="d").cancel("job-1", "enough", wait=0)
        for queue in queues:
            _, properties, body = self.channel.basic_get(queue, auto_ack=True)
            self.assertEqual(properties.type, "rectifid.v1.Personalization/Cancel")
            self.assertEqual(properties.delivery_mode, 2)
            request = CancelRequest.FromString(body)
            self.assertEqual((request.job_id, request.reason), ("job-1", "enough"))
        self.assertRaises(InvalidArgument, self.client().cancel, "two words")

    def test_a_cancellation_in_a_pool_of_an_older_version_goes_to_the_workers_that_listen(self) -> None:
        queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(queue, f"{self.pool}.control")
        self.client().cancel("job-1", wait=0)
        _, _, body = self.channel.basic_get(queue, auto_ack=True)
        self.assertEqual(CancelRequest.FromString(body).job_id, "job-1")

    def test_copies_of_an_event_are_left_out_and_later_ones_stand(self) -> None:
        job = self.client().submit(REQUEST)
        request = self.take()
        ok = Result(status=Status(), image=b"picture", worker_id="b")
        sent = [
            (0, {"accepted": Accepted(worker_id="a")}), (0, {"accepted": Accepted(worker_id="a")}),
            (1, {"progress": Progress(iteration=1, loss=2)}), (1, {"progress": Progress(iteration=1, loss=2)}),
            (0, {"accepted": Accepted(worker_id="b")}), (1, {"progress": Progress(iteration=1, loss=3)}),
            (2, {"result": ok}), (2, {"result": ok}),
        ]
        for sequence, body in sent:
            self.reply(request, sequence, **body)
        events = list(job)
        self.assertEqual(
            events,
            [Accepted(worker_id="a"), Progress(iteration=1, loss=2), Accepted(worker_id="b"),
             Progress(iteration=1, loss=3), ok])
        self.assertEqual(job.picture().data, b"picture")

    def test_a_picture_in_the_shared_store_is_fetched(self) -> None:
        for fetch in (lambda key: key.encode(), None):
            job = self.client(fetch=fetch).submit(REQUEST)
            self.reply(self.take(), 0, result=Result(status=Status(), image_key="results/1.png"))
            if fetch:
                self.assertEqual(job.picture().data, b"results/1.png")
            else:
                self.assertRaisesRegex(Unavailable, "results/1.png", job.picture)

    def test_no_answer_by_the_deadline_is_an_error(self) -> None:
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client(deadline_grace=0.1).personalize(b"jpeg", "on the beach", timeout=0.2)
        self.assertTrue(caught.exception.job_id)

    def test_a_full_queue_is_an_error_that_says_so(self) -> None:
        client = self.client()
        client.submit(REQUEST)
        client.submit(REQUEST)
        with self.assertRaises(ResourceExhausted) as caught:
            client.submit(REQUEST, job_id="job-3")
        self.assertTrue(caught.exception.retryable)
        self.assertEqual(caught.exception.job_id, "job-3")
        self.take()
        client.submit(REQUEST, job_id="job-3")

    def test_a_pool_without_queues_is_an_error_that_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(Unavailable, "start a worker"):
            self.client().submit(REQUEST, lane="batch")
        with self.assertRaisesRegex(Unavailable, "start a worker"):
            self.client().describe()
        with self.assertRaisesRegex(Unavailable, "start a worker"):
            self.client().cancel("job-1")
        other = Client(BROKER_URL, pool="test.none")
        self.addCleanup(other.close)
        with self.assertRaisesRegex(Unavailable, "start a worker"):
            other.submit(REQUEST)

    def test_a_lost_connection_loses_neither_jobs_nor_replies(self) -> None:
        wire = Wire()
        self.addCleanup(wire.close)
        client = self.client(wire.url())
        job = client.submit(REQUEST, job_id="first")
        wire.cut()
        # Arrives while nobody is connected.
        self.reply(self.take(), 0, result=Result(status=Status(), image=b"one"))
        with self.assertLogs("rectifid_client", "WARNING"):
            self.assertEqual(job.picture().data, b"one")
        wire.cut()
        with self.assertLogs("rectifid_client", "WARNING"):
            again = client.submit(REQUEST, job_id="second")
        request = self.take()
        self.assertEqual(request.message_id, "second")
        self.reply(request, 0, result=Result(status=Status(), image=b"two"))
        self.assertEqual(again.picture().data, b"two")

    def test_tls_needs_a_certificate_that_is_trusted(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            certificate = make_certificate(Path(name))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, Path(name) / "key.pem")
            wire = Wire(context)
            self.addCleanup(wire.close)
            job = self.client(wire.url("amqps"), ca_file=str(certificate)).submit(REQUEST)
            self.reply(self.take(), 0, result=Result(status=Status(), image=b"one"))
            self.assertEqual(job.picture().data, b"one")
            with self.assertRaisesRegex(Unavailable, "not trusted") as caught:
                Client(wire.url("amqps"), connect_timeout=0.5)
            self.assertFalse(caught.exception.retryable)

    def test_a_wrong_password_and_a_broker_that_is_not_there_are_errors(self) -> None:
        address = BROKER_URL.rpartition("@")[2]
        self.assertRaises(Unauthenticated, Client, f"amqp://guest:wrong@{address}", connect_timeout=0.5)
        self.assertRaisesRegex(Unavailable, "127.0.0.1:1", Client, "amqp://127.0.0.1:1/", connect_timeout=0.2)
        self.assertRaises(ValueError, Client, BROKER_URL, pool="two words")

    def test_an_answer_that_is_none_is_an_error(self) -> None:
        job = self.client().submit(REQUEST)
        self.send(self.take(), b"\xff\xff")
        self.assertRaises(Internal, job.result)

    def test_what_breaks_a_rule_here_is_not_sent(self) -> None:
        client = self.client()
        large = PersonalizeRequest(references=[Reference(image=bytes(17 << 20))], prompt="x")
        for request, options in [
            (large, {}), (REQUEST, {"job_id": "two words"}), (REQUEST, {"lane": "fast"}), (REQUEST, {"timeout": 0}),
            (REQUEST, {"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"}),
        ]:
            self.assertRaises(InvalidArgument, client.submit, request, **options)
        self.assertIsNone(self.channel.basic_get(self.work)[0])

    def test_closing_removes_the_reply_queue(self) -> None:
        client = Client(BROKER_URL, pool=self.pool)
        job = client.submit(REQUEST)
        client.close()
        channel = self.connection.channel()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
            channel.queue_declare(self.take().reply_to, passive=True)
        self.assertRaises(Unavailable, job.result)

    def test_numbers_of_later_versions_count_as_unknown(self) -> None:
        error = error_of(Status(code=99, message="new", retryable=True), "job-1")
        self.assertEqual((type(error), error.code, error.retryable), (RectifidError, "UNKNOWN", True))


if __name__ == "__main__":
    unittest.main()
