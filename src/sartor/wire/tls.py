"""TLS: a certificate that is read again when its files are others, so that a renewal needs no restart."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

LOG = logging.getLogger("sartor.wire")

#: How often the files are looked at, in seconds.
LOOK_SECONDS: Final = 1.0


class Certificate:
    """A certificate and its key in files.

    Args:
        certificate: with its chain, as PEM.
        key: as PEM, without a password.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate = certificate
        self.key = key
        self._stamp = self._look()

    def require_usable(self) -> None:
        """Refuse files that cannot serve.

        Raises:
            ValueError: they cannot be read, or the key is another certificate's.
        """
        try:
            _context().load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise ValueError(f"{self.certificate} and {self.key} cannot serve: {error}") from None

    async def follow(self, context: ssl.SSLContext) -> None:
        """Let new connections of a context have the newest files, again and again."""
        said: object = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = self._look()
            if found in (self._stamp, said):
                continue
            try:
                self.require_usable()  # in a context of its own: one that failed half-way serves nobody
                context.load_cert_chain(self.certificate, self.key)
            except (OSError, ValueError) as error:
                LOG.error("the certificate stays as it was: %s", error)
                said = found
                continue
            LOG.info("the certificate %s was read anew", self.certificate)
            self._stamp, said = found, None

    def _look(self) -> object:
        """Return what changes with the files."""
        try:
            return [
                (one.st_mtime_ns, one.st_ino, one.st_size)
                for one in (self.certificate.stat(), self.key.stat())
            ]
        except OSError:
            return None


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _no_password() -> str:
    raise ValueError("the key has a password")
