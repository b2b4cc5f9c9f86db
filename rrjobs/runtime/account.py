"""The account a child process is to run as."""

import os
import pwd

from rrjobs.errors import RRJobsError


class AccountError(RRJobsError):
    """There is no such user, or this process may not become it; the text names the key and the mend."""


def account(user: str, key: str) -> pwd.struct_passwd | None:
    """The entry of a user by name; None for no name. `key` is where the name stands."""
    if not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError as err:
        raise AccountError(f"{key}: there is no user {user!r} on this machine: create it, or correct the name") from err
    if os.geteuid() not in (0, entry.pw_uid):
        raise AccountError(f"{key}: only root can run processes as {user!r}")
    return entry
