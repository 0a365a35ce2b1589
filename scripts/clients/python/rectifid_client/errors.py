"""Why there is no picture: one exception per code of google.rpc.Code that the contract uses."""

from __future__ import annotations

from typing import Optional, Sequence

from .personalization_pb2 import Status, StatusDetail


class RectifidError(Exception):
    """A job or a question that failed, at a worker, at the broker or here.

    code       name of the google.rpc.Code, such as "INVALID_ARGUMENT"
    message    for a person: what was wrong and what to do
    details    StatusDetail messages, for programs
    retryable  whether sending the same again, under the same job id, can help
    job_id     the job, where there is one
    """

    code = "UNKNOWN"
    number = 2
    default_retryable = True

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[StatusDetail] = (),
        retryable: Optional[bool] = None,
        job_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)
        self.retryable = self.default_retryable if retryable is None else retryable
        self.job_id = job_id

    def __str__(self) -> str:
        job = f" (job {self.job_id})" if self.job_id else ""
        return f"{self.code}: {self.message}{job}"


class Cancelled(RectifidError):
    code, number, default_retryable = "CANCELLED", 1, False


class InvalidArgument(RectifidError):
    """The request breaks a rule; the details name the field."""

    code, number, default_retryable = "INVALID_ARGUMENT", 3, False


class DeadlineExceeded(RectifidError):
    code, number, default_retryable = "DEADLINE_EXCEEDED", 4, False


class NotFound(RectifidError):
    """No such model, or nothing under a key."""

    code, number, default_retryable = "NOT_FOUND", 5, False


class PermissionDenied(RectifidError):
    code, number, default_retryable = "PERMISSION_DENIED", 7, False


class ResourceExhausted(RectifidError):
    """A full queue, or a worker without enough memory."""

    code, number = "RESOURCE_EXHAUSTED", 8


class FailedPrecondition(RectifidError):
    """Such as no face in a reference."""

    code, number, default_retryable = "FAILED_PRECONDITION", 9, False


class Internal(RectifidError):
    code, number = "INTERNAL", 13


class Unavailable(RectifidError):
    """The broker or the workers are away."""

    code, number = "UNAVAILABLE", 14


class Unauthenticated(RectifidError):
    code, number, default_retryable = "UNAUTHENTICATED", 16, False


_classes = {
    kind.number: kind
    for kind in (
        Cancelled, InvalidArgument, DeadlineExceeded, NotFound, PermissionDenied, ResourceExhausted,
        FailedPrecondition, Internal, Unavailable, Unauthenticated,
    )
}


def error_of(status: Status, job_id: Optional[str] = None) -> RectifidError:
    """The exception for a status other than OK. Numbers that are not known count as UNKNOWN, as google.rpc asks."""
    kind = _classes.get(status.code, RectifidError)
    return kind(status.message, details=status.details, retryable=status.retryable, job_id=job_id)
