"""Names for files of things that users name."""

from urllib.parse import quote


def file_name(name: str) -> str:
    """A name for one file in its folder, whatever the thing is called."""
    return quote(name, safe=" ").replace(".", "%2E")
