"""An AWS profile for a server: the endpoints of the three services and no others, and the key.

What people wrote in their files stays as it is, line by line.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sartor.keys import AccessKey

#: The services as a profile spells them.
SERVICES: Final = ("personalize", "personalize_runtime", "personalize_events")
#: A line in front of credentials that `sartor env` wrote, and so may write again.
_OURS: Final = "# written by sartor env"
_HEADER: Final = re.compile(r"\s*\[\s*([^\]]+?)\s*\]")
_KEY: Final = re.compile(r"([^\s#;=:\[][^=:]*?)\s*[=:]\s*(.*)")
#: What says that a profile gets its credentials from elsewhere.
_ELSEWHERE: Final = (
    *("role_arn", "source_profile", "credential_source", "credential_process"),
    *("sso_session", "sso_start_url", "web_identity_token_file", "login_session"),
)


class ProfileError(ValueError):
    """A profile cannot be written; the message says why and what to do."""


@dataclass
class _Section:
    """A section of a file as its lines; the first of a file has no name."""

    name: str | None
    lines: list[str] = field(default_factory=list)

    def get(self, key: str) -> str | None:
        """Return the value of a key in its line, ``None`` if it has none."""
        at = self._at(key)
        match = None if at is None else _KEY.fullmatch(self.lines[at])
        return None if match is None else match[2].strip()

    def set(self, key: str, value: str, more: Mapping[str, str] | None = None) -> None:
        """Give a key a value and no lines below it but ``more``."""
        lines = [
            f"{key} ={value and ' '}{value}",
            *(f"  {name} = {one}" for name, one in (more or {}).items()),
        ]
        at = self._at(key)
        if at is None:
            at = end = len(self.lines) - self._blank()
        else:
            end = at + 1
            while end < len(self.lines) and self.lines[end][:1].isspace() and self.lines[end].strip():
                end += 1
        self.lines[at:end] = lines

    def _at(self, key: str) -> int | None:
        for at, line in enumerate(self.lines):
            match = _KEY.fullmatch(line)
            if match is not None and match[1] == key:
                return at
        return None

    def _blank(self) -> int:
        """Return how many of the last lines are blank."""
        lines = list(self.lines)
        while lines and not lines[-1].strip():
            lines.pop()
        return len(self.lines) - len(lines)


class _File:
    """One of the two files of profiles."""

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        self._sections = [_Section(None)]
        for line in text.splitlines():
            header = _HEADER.match(line)
            if header is not None and not line[:1].isspace():
                self._sections.append(_Section(re.sub(r"\s+", " ", header[1]).replace('"', "")))
            self._sections[-1].lines.append(line)

    def find(self, *names: str) -> _Section | None:
        """Return the section of one of these names."""
        return next((one for one in self._sections if one.name in names), None)

    def section(self, *names: str) -> _Section:
        """Return the section of one of these names, a new one of the first if there is none."""
        found = self.find(*names)
        if found is None:
            last = self._sections[-1].lines
            if last and last[-1].strip():
                last.append("")
            found = _Section(names[0], [f"[{names[0]}]"])
            self._sections.append(found)
        return found

    def write(self) -> None:
        """Replace the file whole; a new one is its owner's alone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        mode = self._path.stat().st_mode & 0o777 if self._path.exists() else 0o600
        text = "\n".join(line for section in self._sections for line in section.lines)
        new = self._path.with_name(f"{self._path.name}.sartor-new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
        new.replace(self._path)


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Attributes:
        name: of the profile.
        url: where the three services are.
        region: of a profile that has none.
        key: of a profile that has none.
    """

    name: str
    url: str
    region: str
    key: AccessKey


def write(
    profile: Profile, environment: Mapping[str, str], is_known: Callable[[str], bool]
) -> tuple[Path, Path]:
    """Write a profile into the files that the AWS SDKs read; return them.

    Args:
        profile: what to write.
        environment: may name the files, and has the home folder.
        is_known: whether the server knows a key, by its id: a profile with a key of one's own keeps it.

    Raises:
        ProfileError: the profile has credentials that the server would refuse.
        OSError: a file cannot be written.
    """
    home = Path(environment.get("HOME") or Path.home(), ".aws")
    places = (
        Path(environment.get("AWS_CONFIG_FILE") or home / "config").expanduser(),
        Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials").expanduser(),
    )
    config, credentials = map(_File, places)
    names = ("default", "profile default") if profile.name == "default" else (f"profile {profile.name}",)
    if _needs_key(profile.name, config.find(*names), credentials.find(profile.name), is_known):
        section = credentials.section(profile.name)
        if _OURS not in section.lines:
            section.lines.insert(1, _OURS)
        section.set("aws_access_key_id", profile.key.access_key_id)
        section.set("aws_secret_access_key", profile.key.secret_access_key)
        credentials.write()
    section = config.section(*names)
    if section.get("region") is None:
        section.set("region", profile.region)
    services = section.get("services") or f"sartor-{profile.name}"
    section.set("services", services)
    endpoints = config.section(f"services {services}")
    for service in SERVICES:
        endpoints.set(service, "", {"endpoint_url": profile.url})
    config.write()
    return places


def _needs_key(
    name: str, config: _Section | None, credentials: _Section | None, is_known: Callable[[str], bool]
) -> bool:
    """Return whether a profile has no key but one that `sartor env` wrote.

    Raises:
        ProfileError: it has credentials that the server would refuse.
    """
    if credentials is not None and _OURS in credentials.lines:
        return True
    sections = [section for section in (config, credentials) if section is not None]
    for section in sections:
        key_id = section.get("aws_access_key_id")
        if key_id is not None and not is_known(key_id):
            raise ProfileError(
                f"The profile {name} has the key {key_id}, which this server does not know: take it with `sartor keys "
                f"add --access-key-id {key_id} --secret-from-stdin`, or name another --profile."
            )
        if any(section.get(word) is not None for word in _ELSEWHERE):
            raise ProfileError(
                f"The profile {name} gets its credentials from elsewhere, and this server would refuse them: name "
                "another --profile."
            )
    return not any(section.get("aws_access_key_id") for section in sections)
