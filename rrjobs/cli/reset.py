"""`rrjobs reset`: replace the workers of a running server."""

import click

from rrjobs.cli.options import options_of
from rrjobs.cli.refusal import plain
from rrjobs.errors import RpcError, ServerUnreachable


@click.command(help="Replace the workers of the named pools, or of all; no delivery fails.")
@click.argument("pools", nargs=-1)
@click.pass_context
def reset(context: click.Context, pools: tuple[str, ...]) -> None:
    """All are tried; exit code 1 when one could not be reset."""
    refused = False
    with options_of(context).client() as client:
        names = pools
        if not names:
            listed = client.json("resetter.List")
            names = tuple(str(name) for name in listed) if isinstance(listed, list) else ()
        for name in names:
            try:
                client.json("resetter.Reset", name)
                click.echo(f"{name}: reset")
            except ServerUnreachable:
                raise
            except RpcError as err:
                refused = True
                click.echo(f"{name}: {plain(err)}", err=True)
    if refused:
        context.exit(1)
