import pytest

from rrjobs.worker.command import split_command


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ("php worker.php", ("php", "worker.php")),
        ("  php   worker.php\t-v ", ("php", "worker.php", "-v")),
        ('php "a b"', ("php", '"a', 'b"')),
        ("", ()),
        ([], ()),
        (["php worker.php"], ("php", "worker.php")),
        (["php", "my worker.php"], ("php", "my worker.php")),
        ("php,worker.php", ("php", "worker.php")),
        ("php, my worker.php", ("php", "my worker.php")),
        (["sleep", 5], ("sleep", "5")),
    ],
)
def test_a_command_is_split_without_shell_or_quotes(value, arguments):
    assert split_command(value) == arguments


def test_a_comma_that_can_only_be_an_accident_is_refused():
    with pytest.raises(ValueError, match="write the arguments as a list"):
        split_command("php worker.php --only=a,b")


@pytest.mark.parametrize("value", [5, {"php": 1}, None, True])
def test_what_is_no_command_is_refused(value):
    with pytest.raises(ValueError, match="must be a text or a list"):
        split_command(value)
