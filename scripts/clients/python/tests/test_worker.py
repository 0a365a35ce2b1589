"""The client against a worker with the demo model. Needs $RECTIFID_AMQP_URL, $RECTIFID_POOL and $RECTIFID_REFERENCE."""

from __future__ import annotations

import os
import unittest

from rectifid_client import Accepted, Cancelled, Client, DeadlineExceeded, InvalidArgument, NotFound, Progress, Result
from rectifid_client import PersonalizeRequest, reference
from rectifid_client.personalization_pb2 import IMAGE_FORMAT_PNG, Output

PICTURE = os.environ.get("RECTIFID_REFERENCE", "")
PROMPT = "a smiling person at the beach"


class WorkerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client()
        self.addCleanup(self.client.close)

    def test_a_picture_comes_with_its_progress(self) -> None:
        seen = []
        picture = self.client.personalize(
            PICTURE, PROMPT, timeout=120, iterations=3, seed=42, progress=lambda update: seen.append(update.iteration))
        self.assertEqual(seen, [1, 2, 3])
        self.assertEqual((picture.data[:2], picture.format), (b"\xff\xd8", "jpeg"))
        self.assertEqual((picture.result.seed, len(picture.result.losses)), (42, 3))
        self.assertGreater(picture.result.similarity.after, picture.result.similarity.before)

    def test_a_job_is_a_sequence_of_typed_events(self) -> None:
        request = PersonalizeRequest(
            references=[reference(PICTURE)], prompt=PROMPT, iterations=1, progress_interval=1,
            output=Output(format=IMAGE_FORMAT_PNG))
        job = self.client.submit(request, lane="batch", timeout=120)
        self.assertEqual([type(event) for event in job], [Accepted, Progress, Result])
        self.assertEqual((job.picture().data[:4], job.picture().format), (b"\x89PNG", "png"))

    def test_a_fault_of_the_request_names_its_field(self) -> None:
        for changes, field in [
            ({"references": b"no picture"}, "references[0].image"), ({"references": PICTURE, "steps": 101}, "steps"),
        ]:
            with self.assertRaises(InvalidArgument) as caught:
                self.client.personalize(prompt=PROMPT, timeout=60, **changes)
            self.assertEqual(caught.exception.details[0].field_violation.field, field)
            self.assertFalse(caught.exception.retryable)
            self.assertIn(field, caught.exception.message)
        with self.assertRaises(NotFound):
            self.client.personalize(PICTURE, PROMPT, timeout=60, model_id="none")

    def test_a_job_under_way_is_cancelled(self) -> None:
        request = PersonalizeRequest(
            references=[reference(PICTURE)], prompt=PROMPT, iterations=1000, progress_interval=1)
        job = self.client.submit(request, timeout=300)
        for event in job:
            if isinstance(event, Progress) and event.iteration == 1:
                answers = self.client.cancel(job.job_id, "enough")
                self.assertEqual([answer.job_id for answer in answers], [job.job_id])
        with self.assertRaises(Cancelled) as caught:
            job.picture()
        self.assertIn("enough", caught.exception.message)

    def test_a_deadline_ends_a_job_under_way(self) -> None:
        with self.assertRaises(DeadlineExceeded):
            self.client.personalize(PICTURE, PROMPT, timeout=0.7, iterations=1000)

    def test_workers_describe_themselves(self) -> None:
        workers = self.client.describe(wait=0.5)
        self.assertEqual([model.id for worker in workers for model in worker.models], ["demo"])
        self.assertEqual(len(self.client.describe(workers[0].worker_id)), 1)


if __name__ == "__main__":
    unittest.main()
