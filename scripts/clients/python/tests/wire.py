"""A TCP forwarder whose connections a test can cut, with TLS in front of the broker where it is given a context."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Optional, Set
from urllib.parse import urlsplit

BROKER_URL = os.environ.get("RECTIFID_AMQP_URL", "")


class Wire:
    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:
        self._target = (urlsplit(BROKER_URL).hostname, urlsplit(BROKER_URL).port or 5672)
        self._context = context
        self._sockets: Set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, scheme: str = "amqp") -> str:
        user = urlsplit(BROKER_URL).netloc.rpartition("@")[0]
        return f"{scheme}://{user}@localhost:{self.port}/"

    def cut(self) -> None:
        """Ends all connections without a goodbye; new ones are taken."""
        for end in list(self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            if self._context is not None:
                near = self._context.wrap_socket(near, server_side=True)
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._sockets |= {near, far}
        back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
        back.start()
        self._copy(near, far)
        back.join()
        self._sockets -= {near, far}
        near.close()
        far.close()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def make_certificate(directory: Path) -> Path:
    """A certificate of its own authority for localhost, and its key beside it as key.pem."""
    certificate = directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", directory / "key.pem", "-out", certificate],
        check=True, capture_output=True)
    return certificate
