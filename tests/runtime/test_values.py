import pytest
from pydantic import ValidationError

from rrjobs.runtime.section import FROM_FILE, Section
from rrjobs.runtime.values import (
    Duration,
    DurationOrDefault,
    Environment,
    Flag,
    Int,
    Names,
    SecondsOrDefault,
)


class Sample(Section):
    """One key of each kind."""

    number: Int = 1
    flag: Flag = False
    names: Names = ()
    env: Environment = {}
    wait_s: Duration = 0.0
    limit_s: DurationOrDefault = 60.0
    timeout_s: SecondsOrDefault = 60.0


def read(**keys):
    return Sample.model_validate(keys, context=FROM_FILE)


@pytest.mark.parametrize(("value", "number"), [("4", 4), (4, 4), (4.0, 4), ("", 0), ("-3", -3), ("1_000", 1000)])
def test_a_number_may_be_a_text(value, number):
    assert read(number=value).number == number


@pytest.mark.parametrize("value", ["four", "4.5", 4.5, True, [4], {"a": 1}, "9" * 30, 2**63, "0x"])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValidationError, match="whole number"):
        read(number=value)


@pytest.mark.parametrize("value", [True, "true", "True", "1", 1, "yes", "on", "t"])
def test_every_word_for_yes_is_true(value):
    assert read(flag=value).flag is True


@pytest.mark.parametrize("value", [False, "false", "0", 0, "no", "off", ""])
def test_every_word_for_no_is_false(value):
    assert read(flag=value).flag is False


@pytest.mark.parametrize("value", ["maybe", 2, [], 1.5])
def test_what_is_no_truth_value_is_refused(value):
    with pytest.raises(ValidationError, match="must be true or false"):
        read(flag=value)


def test_a_text_is_a_list_at_its_commas():
    assert read(names="a, b,,c").names == ("a", "b", "c")
    assert read(names=["a", 1, "b,c"]).names == ("a", "1", "b,c")
    assert read(names=5).names == ("5",)


@pytest.mark.parametrize("value", [{"a": 1}, [["a"]], [None], True])
def test_what_is_no_list_of_texts_is_refused(value):
    with pytest.raises(ValidationError, match="must be a list of texts"):
        read(names=value)


def test_a_list_of_one_entry_maps_is_a_map_with_upper_case_names():
    assert read(env=[{"a": 1}, {"b": "x"}, {"a": True}]).env == {"A": "1", "B": "x"}
    assert read(env={"a": None, "b": False}).env == {"A": "", "B": "0"}


def test_an_environment_value_with_levels_below_it_is_refused():
    with pytest.raises(ValidationError, match="the value of a must be a text"):
        read(env={"a": {"b": 1}})


def test_a_bare_number_in_a_file_is_nanoseconds_and_in_code_seconds():
    assert read(wait=30).wait_s == pytest.approx(30e-9)
    assert Sample(wait_s=30).wait_s == 30
    assert Sample(wait_s=0.5).wait_s == 0.5


def test_a_number_with_a_fraction_needs_a_unit():
    with pytest.raises(ValidationError, match=r"write 2.5s"):
        read(wait=2.5)


def test_zero_means_the_default_of_a_duration_that_has_one():
    assert read(limit="0s", timeout=0) == Sample()
    assert read(limit=0).limit_s == 60.0
    assert read(wait="0s").wait_s == 0.0


def test_seconds_take_bare_numbers_and_units():
    assert read(timeout=5).timeout_s == 5
    assert read(timeout="5").timeout_s == 5
    assert read(timeout="1m").timeout_s == 60
    with pytest.raises(ValidationError, match="number of seconds"):
        read(timeout=[1])


def test_a_section_cannot_be_changed():
    with pytest.raises(ValidationError):
        Sample().number = 5
