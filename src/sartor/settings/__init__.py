"""Every setting of the service, in one table; the only reader of the environment and of ``sartor.toml``.

A value comes from the command line, else from ``SARTOR_<NAME>``, else from the file, else from the table.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from sartor.settings import values as parse

FILE_NAME: Final = "sartor.toml"
#: The environment variable that names the file.
_FILE_VARIABLE: Final = "SARTOR_CONFIG"
_ROLE: Final = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+")
#: The data folder, unless one is named.
_DATA: Final = "sartor-data"
#: What stands for the account of a bucket that every account has.
EVERY_ACCOUNT: Final = "*"


class SettingsError(ValueError):
    """A setting has a value that it cannot have; the message names it and says what it takes."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: its key in the file; with dashes its option, in capitals its environment variable.
        parse: makes its value of a text (or of the file's own type); raises ValueError.
        default: as text; ``None`` for none. ``DATA`` stands for the data folder.
        help: what it means, with its unit.
        metavar: what the option takes.
        option: whether ``sartor serve`` has an option for it.
        switch: whether that option takes no value: it is there or not.
        for_tests: the default under ``--for-tests``, if it is another.
    """

    name: str
    parse: Callable[[Any], Any]
    default: str | None
    help: str
    metavar: str = "TEXT"
    option: bool = True
    switch: bool = False
    for_tests: str | None = None

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"SARTOR_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"


def _owned(buckets: Mapping[str, Path], account: str) -> dict[str, Path]:
    """Return folders by ``ACCOUNT/NAME``; what names no account is the server's own.

    Raises:
        SettingsError: one bucket is named in both ways.
    """
    owned: dict[str, Path] = {}
    for name, folder in buckets.items():
        full = name if "/" in name else f"{account}/{name}"
        if full in owned:
            raise SettingsError(f"The bucket {full} is named twice, once without its account.")
        owned[full] = folder
    return owned


SETTINGS: Final = (
    Setting("host", parse.text, "127.0.0.1", "The address to listen on."),
    Setting(
        "port",
        parse.whole(0, 65_535),
        "4900",
        "The port to listen on; 0 picks a free one and prints it.",
        "N",
    ),
    Setting(
        "metrics_port",
        parse.whole(0, 65_535),
        None,
        "A port of its own for /metrics, unsigned; without it /metrics is unsigned only on a loopback address.",
        "PORT",
    ),
    Setting("data", parse.path, _DATA, "The folder of everything the embedded default keeps.", "DIR"),
    Setting(
        "database",
        parse.text,
        "sqlite:///DATA/sartor.db",
        "The metadata database; postgresql://… for more than one machine.",
        "URL",
    ),
    Setting(
        "storage",
        parse.text,
        "DATA/storage",
        "Where tables and models lie: a folder or s3://bucket/prefix.",
        "URL",
    ),
    Setting(
        "bucket",
        parse.buckets,
        "",
        "s3://NAME/key is the file DIR/key, for that account; without one for --account, with * for every account; "
        "can be repeated.",
        "[ACCOUNT/]NAME=DIR",
    ),
    Setting(
        "s3_endpoint",
        parse.like(parse.ENDPOINT, "it is http://HOST:PORT or https://HOST:PORT"),
        None,
        "The S3 service of all other buckets; without it s3://B/k is DATA/buckets/B/k for --account and "
        "DATA/accounts/ACCOUNT/buckets/B/k for another.",
        "URL",
    ),
    Setting("workers", parse.whole(0, 64), "1", "Worker processes; 0 is the API only.", "N"),
    Setting(
        "compute",
        parse.like(parse.COMPUTE, "it is here, processes:N or ray:HOST:PORT"),
        "here",
        "Where the pieces of large jobs run: here is the worker itself; processes:N are N processes beside it; "
        "ray:HOST:PORT are the machines of the Ray cluster with that head.",
        "here|processes:N|ray:HOST:PORT",
    ),
    Setting(
        "auth",
        parse.one_of("signed", "open"),
        "signed",
        "signed verifies SigV4; open accepts every request, on a loopback address only.",
        "signed|open",
    ),
    Setting(
        "quotas",
        parse.one_of("aws", "off"),
        "aws",
        "aws keeps Amazon's documented quotas and minimums; off has none.",
        "aws|off",
        for_tests="off",
    ),
    Setting(
        "bad_cells",
        parse.share,
        "0.01",
        "Which share of the cells of a number or boolean column (not TIMESTAMP) may be empty or unreadable in an "
        "import and become null, each a warning of the report; 0 is strict.",
        "SHARE",
    ),
    Setting(
        "region",
        parse.like(parse.REGION, "a region is lower-case letters, digits and dashes"),
        "us-east-1",
        "The region for the first key and for open.",
    ),
    Setting(
        "account",
        parse.like(parse.ACCOUNT, "an account is 12 digits"),
        "000000000000",
        "The account for the first key and for open; the server's own buckets and S3 credentials are its.",
        "DIGITS",
    ),
    Setting(
        "log_level",
        parse.one_of("debug", "info", "warning", "error"),
        "info",
        "From which level on the service says what it does, on stderr.",
        "debug|info|warning|error",
    ),
    Setting(
        "log_format",
        parse.one_of("text", "json"),
        "text",
        "text writes lines for people, json an object a line.",
        "text|json",
    ),
    Setting(
        "access_log",
        parse.switched,
        "off",
        "Log a line for each request: operation, status, time, client, access key and the request's id.",
        "",
        switch=True,
    ),
    Setting(
        "audit_data_events",
        parse.switched,
        "off",
        "Record calls that put records or ask for recommendations in the audit too, without their data.",
        "",
        switch=True,
    ),
    Setting(
        "oidc_issuer",
        parse.issuers,
        "",
        "An OpenID Connect issuer whose tokens for that audience AssumeRoleWithWebIdentity takes; can be repeated.",
        "URL=AUDIENCE",
    ),
    Setting(
        "tls_cert",
        parse.path,
        None,
        "The certificate that HTTPS is served with, and its chain, as PEM; it is read again when it changes.",
        "FILE",
    ),
    Setting("tls_key", parse.path, None, "The key of --tls-cert, as PEM without a password.", "FILE"),
    Setting(
        "cors",
        parse.origins,
        None,
        "An origin whose pages may call, such as https://shop.example; * is every one; can be repeated.",
        "ORIGIN",
    ),
    Setting(
        "console",
        parse.one_of("on", "off"),
        "on",
        "on shows the console to browsers at /console/; off has none.",
        "on|off",
    ),
    Setting(
        "for_tests",
        parse.switched,
        "off",
        "Serve another program's tests: a data folder that goes at the end unless one is named, no quotas or minimums, "
        "a call that begins work answers when that is done, and answers can be declared.",
        "",
        switch=True,
    ),
    Setting(
        "connections",
        parse.whole(16, 100_000),
        "4000",
        "How many connections clients may have at once; idle ones make way for new ones, others are refused with 503.",
        "N",
        option=False,
    ),
    Setting(
        "lease_seconds",
        parse.seconds,
        "15",
        "How long a worker's lease on a task holds without a heartbeat, in seconds.",
        "SECONDS",
        option=False,
    ),
    Setting(
        "poll_seconds",
        parse.seconds,
        "0.05",
        "How long an idle worker waits before it looks for work again, in seconds.",
        "SECONDS",
        option=False,
        for_tests="0.01",
    ),
    Setting(
        "drain_seconds",
        parse.seconds,
        "30",
        "How long a record that a call put waits in the database until it is moved into its table, in seconds.",
        "SECONDS",
        option=False,
    ),
    Setting(
        "history_days",
        parse.seconds,
        "30",
        "How long a version of a dataset that was replaced can be restored, in days.",
        "DAYS",
        option=False,
    ),
    Setting(
        "auto_training",
        parse.one_of("on", "off"),
        "on",
        "on trains solutions by their schedules when there is new data; off trains only when asked to.",
        "on|off",
        option=False,
    ),
    Setting(
        "sequence_models",
        parse.one_of("on", "off"),
        "on",
        "on trains personal recipes with the sequence model where torch is installed, in minutes; off trains the "
        "linear model, in seconds.",
        "on|off",
        option=False,
        for_tests="off",
    ),
    Setting(
        "training_threads",
        parse.whole(0, 1024),
        "0",
        "How many threads one training may use; 0 is one for each core.",
        "N",
        option=False,
    ),
    Setting(
        "heavy_jobs",
        parse.whole(1, 64),
        "1",
        "How many imports, exports, deletions and batch jobs one worker does at once; trainings go on beside "
        "them.",
        "N",
        option=False,
    ),
    Setting(
        "memory_bytes",
        parse.whole(64 * 2**20, 2**40),
        str(600_000_000),
        "How much memory one job may use for its tables, in bytes.",
        "BYTES",
        option=False,
    ),
    Setting(
        "cache",
        parse.text,
        "DATA/cache",
        "Where this machine keeps copies of what lies in S3 storage; processes that name one folder share them.",
        "DIR",
        option=False,
    ),
    Setting(
        "cache_bytes",
        parse.whole(0, 2**50),
        "0",
        "How large the cache may become, beside what was asked for in the last six hours; 0 is 16 GiB, or a quarter "
        "of a small disk.",
        "BYTES",
        option=False,
    ),
)


_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
#: Those that say where things lie: the same on all machines, and no secrets.
_PLACES: Final = ("storage", "s3_endpoint", "account", "bucket")


@dataclass(frozen=True)
class Settings:
    """The settings of one process; each attribute is a row of ``SETTINGS``, ``roles`` is the file's alone.

    ``bucket`` maps ``ACCOUNT/NAME`` to a folder. ``roles`` maps an IAM role's ARN to the S3 credentials that a job with
    this role uses.
    """

    host: str
    port: int
    metrics_port: int | None
    data: Path
    database: str
    storage: str
    bucket: Mapping[str, Path]
    s3_endpoint: str | None
    workers: int
    compute: str
    connections: int
    auth: str
    quotas: str
    bad_cells: float
    region: str
    account: str
    log_level: str
    log_format: str
    access_log: bool
    audit_data_events: bool
    oidc_issuer: Mapping[str, tuple[str, ...]]
    tls_cert: Path | None
    tls_key: Path | None
    cors: tuple[str, ...] | None
    console: str
    for_tests: bool
    lease_seconds: float
    poll_seconds: float
    drain_seconds: float
    history_days: float
    auto_training: str
    sequence_models: str
    training_threads: int
    heavy_jobs: int
    memory_bytes: int
    cache: Path
    cache_bytes: int
    roles: Mapping[str, Mapping[str, str]]

    @property
    def needs_temporary_data(self) -> bool:
        """Whether this is for tests, and nobody has named a data folder."""
        return self.for_tests and self.data == parse.path(_DATA)

    @property
    def shares_database(self) -> bool:
        """Whether the database is one that other machines may use too."""
        return not self.database.startswith("sqlite")

    @property
    def places(self) -> dict[str, Any]:
        """Where things lie, for other machines: settings without secrets, by their names."""
        return {name: getattr(self, name) for name in _PLACES}

    def default_buckets(self, account: str) -> Path:
        """Return the folder whose folders are an account's buckets that no other setting names."""
        own = self.data if account == self.account else self.data / "accounts" / account
        return own / "buckets"


def load(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    Args:
        flags: what the command line gave, by setting; ``None`` and empty values were not given.
        environment: the environment variables; this process's if not given.

    Raises:
        SettingsError: a value is not one that its setting can have, or the file cannot be read.
    """
    flags = flags or {}
    environment = os.environ if environment is None else environment
    file = _read_file(Path(environment.get(_FILE_VARIABLE, FILE_NAME)), _FILE_VARIABLE in environment)
    for_tests = _value(_BY_NAME["for_tests"], flags, environment, file)
    rows = [
        replace(setting, default=setting.for_tests) if for_tests and setting.for_tests else setting
        for setting in SETTINGS
    ]
    values = {setting.name: _value(setting, flags, environment, file) for setting in rows}
    for setting in SETTINGS:
        if setting.default and "DATA/" in setting.default and values[setting.name] == setting.default:
            values[setting.name] = setting.default.replace("DATA", str(values["data"]))
    values["bucket"] = _owned(values["bucket"], values["account"])
    if (values["tls_cert"] is None) is not (values["tls_key"] is None):
        raise SettingsError("--tls-cert and --tls-key go together.")
    if "://" not in values["storage"]:
        values["storage"] = str(Path(values["storage"]).absolute())
    values["cache"] = Path(values["cache"]).absolute()
    return Settings(**values, roles=_roles(file))


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that look like settings and are none, each with the one that may be meant."""
    known = [*(setting.variable for setting in SETTINGS), _FILE_VARIABLE]
    unknown = sorted(name for name in environment if name.startswith("SARTOR_") and name not in known)
    return {name: next(iter(get_close_matches(name, known, 1)), None) for name in unknown}


def require_buckets(settings: Settings) -> None:
    """Raise if a bucket's folder is not there: what is asked for in it would be missing without a reason.

    Raises:
        SettingsError: which.
    """
    for name, folder in settings.bucket.items():
        if not folder.is_dir():
            raise SettingsError(
                f"The bucket {name} is to be the folder {folder}, which does not exist: make it first."
            )


def variables(settings: Settings) -> dict[str, str]:
    """Return the environment variables that give another process of the service the same settings."""
    found: dict[str, str] = {}
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        if isinstance(value, Mapping):
            value = json.dumps(dict(value), default=str) if value else ""
        if isinstance(value, tuple):
            value = ",".join(value)
        if value is not None:
            found[setting.variable] = str(value)
    return found


def _value(
    setting: Setting, flags: Mapping[str, Any], environment: Mapping[str, str], file: Mapping[str, Any]
) -> Any:
    """Return one setting's value from the first place that gives it."""
    places = (
        (setting.flag, flags.get(setting.name)),
        (setting.variable, environment.get(setting.variable)),
        (f"{setting.name} in {FILE_NAME}", file.get(setting.name)),
    )
    for place, given in places:
        if given is None or given == () or given == "" or (setting.switch and given is False):
            continue
        try:
            return setting.parse(given)
        except (ValueError, TypeError) as error:
            raise SettingsError(f"{place} cannot be {given!r}: {error}. {setting.help}") from None
    if setting.default is None:
        return None
    return setting.parse(setting.default) if setting.default else {}


def _read_file(path: Path, named: bool) -> Mapping[str, Any]:
    """Return the file's table; a file that nobody named need not exist."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(f"{_FILE_VARIABLE} names {path}, which does not exist.") from None
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    known = {setting.name for setting in SETTINGS} | {"roles"}
    for name in table:
        if name not in known:
            raise SettingsError(f"{path} has the unknown key {name!r}; known are {', '.join(sorted(known))}.")
    return table


def _roles(file: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the credentials by role of ``[roles."arn:…"]``."""
    roles = file.get("roles", {})
    if not isinstance(roles, Mapping) or not all(isinstance(role, Mapping) for role in roles.values()):
        raise SettingsError(f'roles in {FILE_NAME} must be tables: [roles."arn:aws:iam::…:role/…"].')
    for arn, role in roles.items():
        if not _ROLE.fullmatch(arn):
            raise SettingsError(
                f'[roles."{arn}"] in {FILE_NAME} must be a role of an account: arn:aws:iam::ACCOUNT:role/NAME.'
            )
        missing = {"aws_access_key_id", "aws_secret_access_key"} - set(role)
        if missing:
            raise SettingsError(f'[roles."{arn}"] in {FILE_NAME} misses {", ".join(sorted(missing))}.')
    return {arn: {key: str(value) for key, value in role.items()} for arn, role in roles.items()}
