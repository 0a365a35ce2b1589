"""The contract's names on the broker, as Sources/RectifIDClient/Pool.swift makes them."""

from __future__ import annotations

import re
import uuid
from typing import Optional

CONTENT_TYPE = "application/x-protobuf"
PERSONALIZE = "rectifid.v1.Personalization/Personalize"
CANCEL = "rectifid.v1.Personalization/Cancel"
DESCRIBE = "rectifid.v1.Personalization/Describe"

LANES = ("interactive", "batch")
# RabbitMQ 4's own limit.
MAXIMUM_REQUEST_BYTES = 16 << 20
# How long a reply queue outlives a client that was not closed.
REPLY_QUEUE_EXPIRY_MS = 600_000

_job_id = re.compile(r"[\x21-\x7e]{1,128}\Z")
_pool = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")
_traceparent = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?\Z")


def is_job_id(text: str) -> bool:
    return bool(_job_id.match(text))


def is_traceparent(text: str) -> bool:
    """Whether a text has the form that W3C Trace Context gives `traceparent`."""
    found = _traceparent.match(text)
    return bool(found) and len(text) <= 512 and not (found["version"] == "00" and found["more"])


def new_id() -> str:
    return uuid.uuid4().hex


class Pool:
    """The workers that share a set of queues."""

    def __init__(self, name: str = "rectifid", shards: int = 4) -> None:
        if not _pool.match(name):
            raise ValueError(f"pool name {name[:100]!r}: use 1 to 100 of A-Z a-z 0-9 . _ and -")
        if not 1 <= shards <= 64:
            raise ValueError(f"{shards} shards: 1 to 64 are possible")
        self.name = name
        self.shards = shards
        self.work_exchange = f"{name}.work"
        self.control_exchange = f"{name}.control"
        self.cancel_exchange = f"{name}.cancel"

    def routing_key(self, lane: str, client_name: Optional[str]) -> str:
        """Where a client's jobs wait: the lane's own queue, or the client's shard of it by FNV-1a of its name."""
        if client_name is None:
            return lane
        value = 2_166_136_261
        for byte in client_name.encode():
            value = (value ^ byte) * 16_777_619 % (1 << 32)
        shard = value % self.shards
        return f"{lane}.{shard}" if shard else lane
