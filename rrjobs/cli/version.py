"""`rrjobs version`."""

import platform

import click

from rrjobs import __version__


@click.command(help="Show the version.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Of rrjobs, Python and the machine."""
    facts = {
        "rrjobs": __version__,
        "python": platform.python_version(),
        "os": platform.system(),
        "arch": platform.machine(),
    }
    if as_json:
        import json

        click.echo(json.dumps(facts))
    else:
        click.echo(f"rrjobs version {facts['rrjobs']} (Python {facts['python']}, {facts['os']}, {facts['arch']})")
