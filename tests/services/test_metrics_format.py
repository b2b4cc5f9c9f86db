"""What is counted, and how Prometheus reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.services.collectors import MAX_SERIES, Collectors, MetricError
from rrjobs.services.distribution import RECENT, RECENT_S, Buckets, Quantiles
from rrjobs.services.exposition import Family, Sample, number, render
from rrjobs.services.metrics_config import CollectorConfig


def collectors(**kinds: str) -> Collectors:
    return Collectors({name: CollectorConfig(type=kind) for name, kind in kinds.items()})


def exposed(made: Collectors) -> list[str]:
    """The lines that are no comments."""
    return [line for line in render(made.families()).decode().splitlines() if not line.startswith("#")]


def test_a_family_is_its_help_its_type_and_its_samples():
    text = render([Family("a_b", "gauge", "One \\ two\nthree", [Sample(1.5), Sample(2, (("pid", "7"),), "_x")])])
    assert text == b'# HELP a_b One \\\\ two\\nthree\n# TYPE a_b gauge\na_b 1.5\na_b_x{pid="7"} 2\n'


@given(st.text())
def test_no_label_value_can_end_its_quotes_or_its_line(value):
    text = render([Family("a", "gauge", "", [Sample(1, (("l", value),))])]).decode()
    body = text.split("gauge\n", 1)[1]
    found = re.fullmatch(r'a\{l="((?:[^"\\\n]|\\[\\n"])*)"\} 1\n', body)
    assert found
    back = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}
    assert re.sub(r'\\[\\n"]', lambda one: back[one[0]], found[1]) == value.encode("utf-8", "replace").decode()


@given(st.floats())
def test_every_number_can_be_read_back(value):
    read = float(number(value))
    assert read == value or (read != read and value != value)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8, unique=True),
    st.lists(st.floats(-1e7, 1e7), max_size=50),
)
def test_each_bucket_counts_what_is_at_most_its_bound(bounds, values):
    buckets = Buckets(bounds)
    for value in values:
        buckets.observe(value)
    *counts, total, count = buckets.samples()
    expected = [sum(value <= bound for value in values) for bound in [*sorted(bounds), float("inf")]]
    assert [sample.value for sample in counts] == expected
    assert (total.value, count.value) == (pytest.approx(sum(values)), len(values))


def test_quantiles_are_those_of_the_last_ten_minutes():
    now = [0.0]
    quantiles = Quantiles({0.5: 0.05, 0.99: 0.01}, lambda: now[0])
    for value in range(5000):
        quantiles.observe(value)
    shown = {sample.labels: sample.value for sample in quantiles.samples() if not sample.suffix}
    recent = range(5000 - RECENT, 5000)
    assert shown == {(("quantile", "0.5"),): recent[RECENT // 2], (("quantile", "0.99"),): recent[RECENT * 99 // 100]}
    now[0] = RECENT_S + 1
    *old, total, count = quantiles.samples()
    assert all(sample.value != sample.value for sample in old)
    assert (total.value, count.value) == (sum(range(5000)), 5000)


def test_a_collector_without_labels_is_there_from_the_start():
    assert exposed(collectors(hits="counter", level="gauge", sizes="summary")) == [
        "hits 0",
        "level 0",
        "sizes_sum 0",
        "sizes_count 0",
    ]


def test_collectors_move_as_their_kind_allows():
    made = collectors(hits="counter", level="gauge", sizes="summary")
    for operation, name, value in (
        ("Add", "hits", 2),
        ("Add", "level", 5),
        ("Sub", "level", 7.5),
        ("Observe", "sizes", 3),
        ("Observe", "sizes", 4),
    ):
        made.move(operation, name, value, ("ignored",))
    assert exposed(made) == ["hits 2", "level -2.5", "sizes_sum 7", "sizes_count 2"]
    made.move("Set", "level", 1, ())
    assert "level 1" in exposed(made)


def test_the_exposed_name_has_namespace_and_subsystem_before_the_short_one():
    made = Collectors({})
    made.declare("n", CollectorConfig(type="counter", namespace="a", subsystem="b", labels=("x", "y")))
    made.move("Add", "n", 1, ("1", "2"))
    assert exposed(made) == ['a_b_n{x="1",y="2"} 1']


@pytest.mark.parametrize(
    ("operation", "name", "value", "labels", "said"),
    [
        ("Add", "none", 1, (), "undefined collector: none"),
        ("Add", "hits", -1, (), "counter cannot decrease in value: hits"),
        ("Set", "hits", 1, (), "collector does not support the requested operation: hits does not support Set"),
        ("Add", "sizes", 1, (), "collector does not support the requested operation: sizes does not support Add"),
        ("Observe", "hits", 1, (), "collector does not support the requested operation: hits does not support Observe"),
        ("Add", "labelled", 1, (), "required labels for collector: labelled"),
        (
            "Add",
            "labelled",
            1,
            ("a", "b"),
            "inconsistent label cardinality: labelled has 1 labels, 2 values were given",
        ),
    ],
)
def test_what_cannot_be_moved_says_why_and_moves_nothing(operation, name, value, labels, said):
    made = collectors(hits="counter", sizes="histogram")
    made.declare("labelled", CollectorConfig(type="gauge", labels=("x",)))
    before = exposed(made)
    with pytest.raises(MetricError, match=f"^{re.escape(said)}$"):
        made.move(operation, name, value, labels)
    assert exposed(made) == before


def test_declaring_again_changes_nothing_and_another_one_with_the_same_full_name_is_refused():
    made = collectors(a_b="counter")
    made.move("Add", "a_b", 3, ())
    made.declare("a_b", CollectorConfig(type="gauge"))
    assert exposed(made) == ["a_b 3"]
    with pytest.raises(MetricError, match="duplicate metrics collector registration attempted: a_b"):
        made.declare("b", CollectorConfig(type="counter", namespace="a"))


@pytest.mark.parametrize(("name", "labels"), [("a-b", ()), ("", ()), ("1a", ()), ("a", ("b-c",)), ("a", ("__b",))])
def test_names_that_prometheus_refuses_are_refused_at_once(name, labels):
    with pytest.raises(MetricError, match="is not a valid"):
        Collectors({}).declare(name, CollectorConfig(type="gauge", labels=labels))


def test_what_was_unregistered_is_gone():
    made = collectors(hits="counter")
    assert made.unregister("hits")
    assert not made.unregister("hits")
    assert exposed(made) == []


def test_labels_cannot_fill_the_memory():
    made = Collectors({"n": CollectorConfig(type="counter", labels=("user",))})
    for user in range(MAX_SERIES):
        made.move("Add", "n", 1, (str(user),))
    with pytest.raises(MetricError, match="the most it may have"):
        made.move("Add", "n", 1, ("one more",))
    made.move("Add", "n", 1, ("7",))
    assert 'n{user="7"} 2' in exposed(made)
