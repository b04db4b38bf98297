"""``sartor unit``: the service under systemd, with no more rights than it needs."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from sartor.cli.options import settings_of, settings_options
from sartor.settings import SETTINGS, Settings

#: Where systemd keeps what a service keeps.
_STATE: Final = Path("/var/lib")
_HOMES: Final = tuple(map(Path, ("/home", "/root", "/run/user")))
#: Ports below belong to root, but for who has a capability.
_FREE_PORTS: Final = 1024
_SQLITE: Final = "sqlite:///"
_BIND: Final = "CAP_NET_BIND_SERVICE"

#: What holds for every service. Not here: MemoryDenyWriteExecute, as torch compiles products while it runs, and
#: ProcSubset=pid, as its libraries read /proc/cpuinfo.
_SERVICE: Final[Mapping[str, str]] = {
    "Type": "exec",
    "Restart": "always",
    "RestartSec": "2",
    "KillMode": "mixed",
    "TimeoutStopSec": "60",
    "OOMPolicy": "continue",  # a worker that dies is started again, and the API goes on
    "LimitNOFILE": "65536",
    "UMask": "0077",
}
_HARDENED: Final[Mapping[str, str]] = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "DevicePolicy": "closed",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "LockPersonality": "yes",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
}


@click.command()
@click.option("--user", default="sartor", show_default=True, help="The system user that it runs as.")
@click.option(
    "--environment-file",
    metavar="FILE",
    default="/etc/sartor/environment",
    show_default=True,
    help="A file of SARTOR_… and AWS_… variables, for what nobody may read here, such as a password; need not exist.",
)
@settings_options()
def unit(user: str, environment_file: str, **flags: Any) -> None:
    """Print a hardened systemd unit that serves with these options.

    It names this Python and absolute paths. Without --data its folder is /var/lib/sartor, which systemd makes.

    \b
    Example:
      sartor unit --port 4900 > /etc/systemd/system/sartor.service
    """
    flags["data"] = flags["data"] or str(_STATE / "sartor")
    click.echo("\n".join(lines(settings_of(flags), flags, user, environment_file)))


def lines(settings: Settings, flags: Mapping[str, Any], user: str, environment_file: str) -> Iterator[str]:
    """Yield the lines of the unit.

    Args:
        settings: what the flags mean.
        flags: the options that were given, by the names of their settings.
        user: whom it runs as.
        environment_file: of variables.
    """
    data = settings.data.absolute()
    home = _in_a_home([Path(sys.prefix), Path(sys.base_prefix), Path(__file__), data])
    low = any(0 < port < _FREE_PORTS for port in (settings.port, settings.metrics_port or 0))
    yield "[Unit]"
    yield "Description=Sartor, compatible with Amazon Personalize"
    yield "Wants=network-online.target"
    yield "After=network-online.target"
    yield ""
    yield "[Service]"
    yield f"User={user}"
    yield f"EnvironmentFile=-{environment_file}"
    yield f"ExecStart={' '.join(map(_quoted, [sys.executable, '-m', 'sartor', 'serve', *_options(settings, flags)]))}"
    yield from _assigned(_SERVICE)
    if data.parent == _STATE:
        yield f"StateDirectory={data.name}"
        yield "StateDirectoryMode=0700"
    yield f"WorkingDirectory={data}"
    for folder in _written(settings, data):
        yield f"ReadWritePaths={_quoted(str(folder))}"
    yield f"ProtectHome={'read-only' if home else 'yes'}"
    yield f"PrivateUsers={'no' if low else 'yes'}"  # in a namespace of users the capability would bind no port
    yield f"CapabilityBoundingSet={_BIND if low else ''}"
    yield f"AmbientCapabilities={_BIND if low else ''}"
    yield from _assigned(_HARDENED)
    yield "SystemCallFilter=@system-service"
    yield "SystemCallFilter=~@privileged"  # not @resources: workers are nice to the API
    yield ""
    yield "[Install]"
    yield "WantedBy=multi-user.target"


def _assigned(directives: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in directives.items())


def _options(settings: Settings, flags: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options that were given, with absolute paths: the unit runs elsewhere."""
    for setting in SETTINGS:
        given, value = flags.get(setting.name), getattr(settings, setting.name)
        if not given:
            continue
        if setting.switch:
            yield setting.flag
            continue
        for one in given if isinstance(given, tuple) else (given,):
            if setting.name == "bucket":
                name, _, folder = one.partition("=")
                yield from (setting.flag, f"{name}={Path(folder).absolute()}")
            elif isinstance(value, Path) or setting.name == "storage":
                yield from (setting.flag, one if "://" in one else str(Path(one).absolute()))
            else:
                yield from (setting.flag, _absolute(one))


def _absolute(text: str) -> str:
    """Return a value whose path, if it is a file's URL of SQLite, is absolute."""
    path = text.removeprefix(_SQLITE)
    return f"{_SQLITE}{Path(path).absolute()}" if path != text else text


def _written(settings: Settings, data: Path) -> list[Path]:
    """Return the folders beside the data that are written: buckets take exports and what batch jobs answer."""
    folders = [*settings.bucket.values(), settings.cache, data]
    if "://" not in settings.storage:
        folders.append(Path(settings.storage))
    if settings.database.startswith(_SQLITE):
        folders.append(Path(settings.database.removeprefix(_SQLITE)).parent)
    made = data if data.parent == _STATE else None  # systemd makes it, and lets it be written
    found = {one.absolute() for one in folders}
    return sorted(one for one in found if one != made and not (one != data and one.is_relative_to(data)))


def _in_a_home(paths: Sequence[Path]) -> bool:
    """Return whether one of these lies where ``ProtectHome=yes`` would hide it."""
    return any(path.absolute().is_relative_to(home) for path in paths for home in _HOMES)


def _quoted(word: str) -> str:
    """Return a word as one of a command line of systemd."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(one in word for one in " \t'\"\\;") else escaped
