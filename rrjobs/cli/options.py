"""The persistent flags, and what client commands make of them."""

import os
from dataclasses import dataclass

import click

from rrjobs.config.load import Loaded, Request, load
from rrjobs.errors import ConfigError
from rrjobs.rpc.client import RpcClient


@dataclass(frozen=True, slots=True)
class Options:
    """Flags that every command takes (spec/worker-and-http.md 7.5)."""

    request: Request
    debug: bool
    pid: bool
    silent: bool

    def load(self) -> Loaded:
        """The configuration; its directory becomes the working directory, its variables are set; raises ConfigError."""
        request = self.request
        loaded = load(request.path, request.workdir, request.overrides, request.dotenv)
        os.environ.update(loaded.environment)
        os.chdir(loaded.directory)
        return loaded

    def client(self) -> RpcClient:
        """A connection to the server that this configuration describes; raises ConfigError without `rpc`."""
        loaded = self.load()
        if loaded.root.rpc is None:
            raise ConfigError([f"{loaded.path}: rpc: the section is missing; commands reach the server through it"])
        return RpcClient(loaded.root.rpc.listen)


def options_of(context: click.Context) -> Options:
    """What the main group left for its commands."""
    options = context.meta["rrjobs.options"]
    assert isinstance(options, Options)
    return options
