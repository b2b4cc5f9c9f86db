"""Worker commands from configuration values to argument lists (spec/worker-and-http.md 4.2)."""

from rrjobs.runtime.values import parse_names, shown


def split_command(value: object) -> tuple[str, ...]:
    """The arguments of a command; there is no shell and no quoting.

    A list of two and more items is used as it stands. One text is split on white space; one with a comma is a list
    first, as in RoadRunner, which is refused where it can only be an accident. Nothing at all gives no arguments.
    """
    if isinstance(value, str):
        return _split_text(value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a text or a list of texts, got {shown(value)}")
    items = parse_names(value)
    return _split_text(items[0]) if len(items) == 1 else items


def _split_text(text: str) -> tuple[str, ...]:
    if "," not in text:
        return tuple(text.split())
    items = parse_names(text)
    if items and len(items[0].split()) > 1:
        raise ValueError(f"a comma splits a command, here into {list(items)}: write the arguments as a list")
    return items
