"""``sartor ca``: an authority of one's own, and the names that programs have built in."""

import json
from typing import Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show


@click.command()
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="TEXT",
    help="A region whose endpoints' names the certificate is for; can be repeated.  [default: us-east-1]",
)
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="Another name that it is for; can be repeated."
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="IP",
    help="Where the names lead: this server as its clients reach it.",
)
@click.option("--new", "anew", is_flag=True, help="Make another authority, which clients must trust anew.")
@settings_options("data")
@JSON
def ca(
    regions: tuple[str, ...],
    names: tuple[str, ...],
    address: str,
    anew: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make an authority of one's own and a certificate for Amazon's names, and print the hosts lines.

    Programs with a fixed endpoint then find this server. Once more renews the certificate; a running server reads it.

    \b
    Example:
      sartor ca --region eu-west-1 --data ./sartor-data
    """
    from sartor import certificates
    from sartor.private import keep_private

    settings = settings_of(flags)
    asked = certificates.endpoints(regions or (settings.region,))
    files = certificates.Files(settings.data / "tls")
    with failures(OSError, ValueError):
        keep_private(settings.data)
        until = certificates.make(files.folder, (*asked, *names), (address,), anew)
    hosts = [f"{address} {name}" for name in (*asked, *names)]
    if as_json:
        found = {
            "authority": str(files.authority),
            "bundle": str(files.bundle),
            "certificate": str(files.certificate),
            "key": str(files.key),
            "until": until.isoformat(timespec="seconds"),
            "hosts": hosts,
        }
        click.echo(json.dumps(found, indent=2))
        return
    lines = [
        f"The certificate in {files.folder} is good until {until:%Y-%m-%d}.",
        "",
        "Serve with it; 443 is the port of fixed endpoints:",
        f"  sartor serve --data {settings.data} --port 443 --tls-cert {files.certificate} --tls-key {files.key}",
        "",
        "Let the names lead here, in /etc/hosts or C:\\Windows\\System32\\drivers\\etc\\hosts:",
        *(f"  {line}" for line in hosts),
        "",
        "Let clients trust it:",
        f"  AWS_CA_BUNDLE={files.bundle}          boto3, AWS CLI",
        f"  NODE_EXTRA_CA_CERTS={files.authority}      JavaScript",
        f"  {files.authority}      everything else; see docs/how-to/tls.md",
    ]
    show("\n".join(lines))
