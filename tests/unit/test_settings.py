"""Where a setting's value comes from, and what it may be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sartor.settings import SETTINGS, Settings, SettingsError, load, variables


def loaded(
    folder: Path, file: str = "", environment: Mapping[str, str] | None = None, **flags: Any
) -> Settings:
    """Load with a file of this text."""
    place = folder / "sartor.toml"
    place.write_text(file)
    return load(flags, {"SARTOR_CONFIG": str(place), **(environment or {})})


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file, environment = "port = 3", {"SARTOR_PORT": "2"}
    assert loaded(tmp_path).port == 4900
    assert loaded(tmp_path, file).port == 3
    assert loaded(tmp_path, file, environment).port == 2
    assert loaded(tmp_path, file, environment, port="1").port == 1


def test_port_0_is_a_value_and_not_a_missing_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, "port = 0").port == 0
    assert loaded(tmp_path, "port = 7", {"SARTOR_PORT": "0"}).port == 0


def test_the_embedded_default_lies_in_the_data_folder(tmp_path: Path) -> None:
    settings = loaded(tmp_path, data=str(tmp_path / "d"))
    assert settings.database == f"sqlite:///{tmp_path}/d/sartor.db"
    assert settings.storage == f"{tmp_path}/d/storage"
    assert settings.default_buckets("000000000000") == tmp_path / "d" / "buckets"
    assert (
        settings.default_buckets("111122223333") == tmp_path / "d" / "accounts" / "111122223333" / "buckets"
    )


def test_a_given_place_is_left_as_it_is_whatever_it_has_in_it(tmp_path: Path) -> None:
    settings = loaded(tmp_path, storage="s3://lake/DATA/sartor", database="postgresql://u:p@h/DATA/x")
    assert settings.storage == "s3://lake/DATA/sartor"
    assert settings.database == "postgresql://u:p@h/DATA/x"


def test_a_relative_folder_is_where_the_command_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({"storage": "here", "data": "there", "bucket": ("b=files",)}, {})
    assert settings.storage == str(tmp_path / "here")
    assert settings.data == tmp_path / "there"
    assert settings.bucket == {"000000000000/b": tmp_path / "files"}


@pytest.mark.parametrize(
    ("file", "environment", "flags"),
    [
        ('[bucket]\na = "/x"\nb = "/y"', {}, {}),
        ("", {"SARTOR_BUCKET": "a=/x,b=/y"}, {}),
        ("", {"SARTOR_BUCKET": '{"a": "/x", "b": "/y"}'}, {}),
        ("", {}, {"bucket": ("a=/x", "b=/y")}),
    ],
)
def test_buckets_are_folders_by_name(
    tmp_path: Path, file: str, environment: dict[str, str], flags: dict[str, Any]
) -> None:
    assert loaded(tmp_path, file, environment, **flags).bucket == {
        "000000000000/a": Path("/x"),
        "000000000000/b": Path("/y"),
    }


def test_a_bucket_is_the_servers_own_accounts_unless_it_names_another_or_every(tmp_path: Path) -> None:
    given = ("a=/x", "111122223333/a=/y", "*/a=/z")
    settings = loaded(tmp_path, account="444455556666", bucket=given)
    assert settings.bucket == {
        "444455556666/a": Path("/x"),
        "111122223333/a": Path("/y"),
        "*/a": Path("/z"),
    }
    assert load({}, variables(settings)).bucket == settings.bucket


@pytest.mark.parametrize("name", ["a/b", "1111/b", "*/", "/b", "**/b", "111122223333/b/c", ""])
def test_a_bucket_has_no_account_but_twelve_digits_or_a_star(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="account of 12 digits"):
        loaded(tmp_path, bucket=(f"{name}=/x",))


def test_a_bucket_that_is_named_with_its_account_and_without_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="000000000000/a is named twice"):
        loaded(tmp_path, bucket=("a=/x", "000000000000/a=/y"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "65536"}, "--port cannot be '65536': it must be from 0 to 65535"),
        ({"port": "http"}, "--port cannot be 'http'"),
        ({"auth": "none"}, "--auth cannot be 'none': it must be one of signed, open"),
        ({"quotas": "on"}, "--quotas"),
        ({"account": "12345"}, "an account is 12 digits"),
        ({"account": "²" * 12}, "an account is 12 digits"),
        ({"region": "US East"}, "a region is lower-case letters"),
        ({"bucket": ("training",)}, "a bucket is NAME=DIR"),
        ({"bucket": ("a=/x", "a=/y")}, "the bucket a is named twice"),
        ({"workers": "-1"}, "--workers"),
        (
            {"compute": "processes:0"},
            "--compute cannot be 'processes:0': it is here, processes:N or ray:HOST:PORT",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_it_takes(
    tmp_path: Path, flags: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, **flags)
    assert words in str(refused.value)


def test_a_wrong_value_in_the_environment_or_the_file_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^SARTOR_PORT cannot be 'x'"):
        loaded(tmp_path, "", {"SARTOR_PORT": "x"})
    with pytest.raises(SettingsError, match=r"^lease_seconds in sartor\.toml cannot be -1"):
        loaded(tmp_path, "lease_seconds = -1")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("prot = 1", "unknown key 'prot'"),
        ("port = ", "cannot be read"),
        (
            '[roles."arn:aws:iam::111122223333:role/x"]\naws_access_key_id = "a"',
            "misses aws_secret_access_key",
        ),
        ('[roles."arn:aws:iam::1:role/x"]\naws_access_key_id = "a"', "must be a role of an account"),
        ('roles = "admin"', "must be tables"),
        ('[roles]\nadmin = "x"', "must be tables"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, file: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        loaded(tmp_path, file)


def test_a_file_that_was_named_must_exist_and_the_usual_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}, {}).port == 4900
    with pytest.raises(SettingsError, match="does not exist"):
        load({}, {"SARTOR_CONFIG": str(tmp_path / "missing.toml")})


def test_a_role_has_credentials_of_its_own(tmp_path: Path) -> None:
    file = """
        [roles."arn:aws:iam::000000000000:role/import"]
        aws_access_key_id = "id"
        aws_secret_access_key = "secret"
    """
    assert loaded(tmp_path, file).roles == {
        "arn:aws:iam::000000000000:role/import": {
            "aws_access_key_id": "id",
            "aws_secret_access_key": "secret",
        }
    }


def test_another_process_has_the_same_settings_by_its_environment(tmp_path: Path) -> None:
    file = 'poll_seconds = 0.2\n[bucket]\na = "/with, a comma=and more"'
    settings = loaded(tmp_path, file, {"SARTOR_ACCOUNT": "111122223333"}, port="0", s3_endpoint="http://s3")
    assert load({}, {"SARTOR_CONFIG": str(tmp_path / "sartor.toml"), **variables(settings)}) == settings
    plain = loaded(tmp_path)
    assert load({}, {"SARTOR_CONFIG": str(tmp_path / "sartor.toml"), **variables(plain)}) == plain


def test_every_setting_is_an_attribute_and_its_default_is_allowed(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    assert {setting.name for setting in SETTINGS} | {"roles"} == set(Settings.__dataclass_fields__)
    assert all(hasattr(settings, setting.name) for setting in SETTINGS)


def test_a_server_for_tests_has_defaults_of_its_own_which_give_way_to_what_is_said(tmp_path: Path) -> None:
    usual = load({}, {})
    assert (usual.quotas, usual.sequence_models, usual.needs_temporary_data) == ("aws", "on", False)
    found = load({"for_tests": True}, {"SARTOR_SEQUENCE_MODELS": "on"})
    assert (found.quotas, found.sequence_models, found.needs_temporary_data) == ("off", "on", True)
    assert found.poll_seconds < usual.poll_seconds
    said = load({"for_tests": True, "quotas": "aws", "data": tmp_path}, {})
    assert (said.quotas, said.needs_temporary_data) == ("aws", False)
    assert load({}, variables(found)) == found
