"""Sends jobs to rectifid's workers over RabbitMQ and gets their pictures.

    from rectifid_client import Client

    with Client("amqp://user:password@broker:5672/") as client:
        client.personalize("a.jpg", "a person at the beach", timeout=120).save("out.jpg")

The messages of the contract (PersonalizeRequest, Reference, Output, ...) are in rectifid_client.personalization_pb2.
"""

from .client import Client, reference
from .errors import (
    Cancelled, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound, PermissionDenied,
    RectifidError, ResourceExhausted, Unauthenticated, Unavailable,
)
from .job import Event, Job, Picture
from .names import is_job_id, new_id
from .personalization_pb2 import Accepted, PersonalizeRequest, Progress, Reference, Result

__all__ = [
    "Accepted", "Cancelled", "Client", "DeadlineExceeded", "Event", "FailedPrecondition", "Internal", "InvalidArgument",
    "Job", "NotFound", "PermissionDenied", "PersonalizeRequest", "Picture", "Progress", "RectifidError", "Reference",
    "ResourceExhausted", "Result", "Unauthenticated", "Unavailable", "is_job_id", "new_id", "reference",
]
