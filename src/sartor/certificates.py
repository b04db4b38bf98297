"""An authority of one's own, and a certificate for the names that programs have built in.

The authority can vouch for those names and no others (RFC 5280, 4.2.1.10), so whoever trusts it risks nothing else.
Needs cryptography, the extra ``tls``.
"""

import ipaddress
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

#: The services as Amazon's endpoints begin with them.
SERVICES: Final = ("personalize", "personalize-runtime", "personalize-events")
#: What a certificate is for beside them: this machine by itself.
_ALWAYS: Final = ("localhost",)
_ALWAYS_ADDRESSES: Final = ("127.0.0.1", "::1")
_AUTHORITY_DAYS: Final = 3650
#: What clients take at most of a certificate that no public authority gave.
_CERTIFICATE_DAYS: Final = 825
#: A clock that is late must not take a new certificate for one of the future.
_EARLIER: Final = timedelta(hours=1)


class CertificateError(ValueError):
    """A certificate cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Files:
    """Where an authority and its certificate lie.

    Attributes:
        folder: of all of them.
    """

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate, which clients trust."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The authority's key, which nobody but this command needs."""
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's key."""
        return self.folder / "server.key"

    @property
    def bundle(self) -> Path:
        """The authority beside the public ones, for clients that take one file for all."""
        return self.folder / "bundle.pem"


def endpoints(regions: Sequence[str]) -> list[str]:
    """Return the names that Amazon's endpoints have in some regions."""
    return [f"{service}.{region}.amazonaws.com" for region in regions for service in SERVICES]


def make(folder: Path, names: Collection[str], addresses: Collection[str], anew: bool = False) -> datetime:
    """Make a certificate, and the authority that signs it unless it is there.

    Args:
        folder: gets the files; see ``Files``.
        names: that the certificate is for.
        addresses: IP addresses that it is for too.
        anew: whether to make another authority, which clients must trust anew.

    Returns:
        How long the certificate is good.

    Raises:
        CertificateError: cryptography is missing, or the authority that is there is for other names.
        OSError: a file cannot be read or written.
    """
    if find_spec("cryptography") is None:
        raise CertificateError("`sartor ca` needs cryptography: pip install 'sartor[tls]'")
    files = Files(folder)
    wanted = _subjects((*names, *_ALWAYS), (*addresses, *_ALWAYS_ADDRESSES))
    folder.mkdir(parents=True, exist_ok=True)
    if anew or not files.authority_key.exists():
        _make_authority(files, wanted)
    authority, key = _authority(files)
    _require_permitted(authority, wanted)
    return _make_certificate(files, authority, key, wanted)


def _subjects(names: Collection[str], addresses: Collection[str]) -> "list[x509.GeneralName]":
    from cryptography import x509

    try:
        numbers = [ipaddress.ip_address(one) for one in dict.fromkeys(addresses)]
    except ValueError as error:
        raise CertificateError(f"{error}.") from None
    return [
        *(x509.DNSName(name) for name in dict.fromkeys(names)),
        *(x509.IPAddress(number) for number in numbers),
    ]


def _make_authority(files: Files, wanted: "Sequence[x509.GeneralName]") -> None:
    from cryptography import x509

    key, name = _new_key(), _name("Sartor's own authority")
    builder = _builder(name, name, key, _AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    permitted = [_constraint(one) for one in wanted]
    builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    _write(files.authority_key, _key_pem(key))
    _write(files.authority, _signed(builder, key))


def _authority(files: Files) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = load_pem_private_key(files.authority_key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise CertificateError(
            f"The authority in {files.folder} is damaged ({error}): --new makes another."
        ) from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise CertificateError(f"The authority in {files.folder} is not Sartor's: --new makes another.")
    return certificate, key


def _require_permitted(authority: "x509.Certificate", wanted: "Sequence[x509.GeneralName]") -> None:
    """Refuse names that the authority may not vouch for."""
    from cryptography import x509

    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = constraints.permitted_subtrees or []
    missing = [str(one.value) for one in wanted if _constraint(one) not in permitted]
    if missing:
        raise CertificateError(
            f"The authority that is there may not vouch for {', '.join(missing)}: --new makes one that may, which "
            "every client must then trust in its place."
        )


def _constraint(subject: "x509.GeneralName") -> "x509.GeneralName":
    """Return a subject as a constraint has it: an address is a network of one."""
    from cryptography import x509

    return (
        x509.IPAddress(ipaddress.ip_network(subject.value))
        if isinstance(subject, x509.IPAddress)
        else subject
    )


def _make_certificate(
    files: Files,
    authority: "x509.Certificate",
    authority_key: "EllipticCurvePrivateKey",
    wanted: "Sequence[x509.GeneralName]",
) -> datetime:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = _new_key()
    builder = _builder(_name("Sartor"), authority.subject, key, _CERTIFICATE_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(wanted), critical=False)
    of_issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_issuer), critical=False
    )
    _write(files.key, _key_pem(key))
    _write(files.certificate, _signed(builder, authority_key))
    _write(files.bundle, _public_authorities() + files.authority.read_bytes())
    return datetime.now(UTC) - _EARLIER + timedelta(days=_CERTIFICATE_DAYS)


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(words: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _builder(
    subject: "x509.Name", issuer: "x509.Name", key: "EllipticCurvePrivateKey", days: int
) -> "x509.CertificateBuilder":
    from cryptography import x509

    begins = datetime.now(UTC) - _EARLIER
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: "x509.CertificateBuilder", key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    pem: bytes = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return pem


def _key_pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _public_authorities() -> bytes:
    """Return the authorities that botocore trusts, which its packages bring."""
    spec: Any = find_spec("botocore")
    return Path(spec.origin).with_name("cacert.pem").read_bytes()


def _write(place: Path, content: bytes) -> None:
    """Replace a file whole; it is its owner's alone."""
    new = place.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(place)
