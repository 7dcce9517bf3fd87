"""What TF_CONFIG may say, and what is refused."""

import json

import pytest

from darts_adv_tf.cluster import VARIABLE, Cluster, read_cluster
from darts_adv_tf.errors import ConfigurationError

TWO = ["first:12345", "second:12345"]


def config(cluster=None, **task) -> dict:
    cluster = {"worker": TWO} if cluster is None else cluster
    return {"cluster": cluster, "task": {"type": "worker", "index": 0, **task}}


def without(content: dict, part: str, name: str) -> dict:
    return {**content, part: {key: each for key, each in content[part].items() if key != name}}


@pytest.mark.parametrize(
    ("content", "workers", "index"),
    [
        (config(), TWO, 0),
        (config(index=1), TWO, 1),
        # As shell scripts write it, and as TensorFlow takes it.
        (config(index="1"), TWO, 1),
        (config({"worker": ["[::1]:12345"]}), ["[::1]:12345"], 0),
        # TensorFlow knows more entries, which say nothing about who takes part.
        ({**config(), "rpc_layer": "grpc"}, TWO, 0),
        (config(trial="7"), TWO, 0),
    ],
)
def test_a_cluster_is_read(content, workers, index):
    cluster = read_cluster({VARIABLE: json.dumps(content)})

    assert cluster == Cluster(tuple(workers), index)


def test_it_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config(index=1)))

    assert read_cluster() == Cluster(tuple(TWO), 1)


def test_the_first_worker_is_the_chief():
    assert [Cluster(tuple(TWO), index).is_chief for index in range(2)] == [True, False]


@pytest.mark.parametrize(
    "content",
    [
        # Not a description.
        "",
        "workers",
        "{'cluster': {}}",
        "[" * 100_000,
        "null",
        "2",
        "[]",
        "{}",
        # Without a part.
        {"cluster": {"worker": TWO}},
        {"task": config()["task"]},
        config({}),
        without(config(), "task", "type"),
        without(config(), "task", "index"),
        # Of other types.
        {**config(), "task": "worker 0"},
        {**config(), "task": None},
        {**config(), "task": ["worker", 0]},
        config(["first:12345"]),
        config("first:12345"),
        config({"worker": "first:12345"}),
        config({"worker": {"0": "first:12345"}}),
        config({"worker": ["first:12345", 12345]}),
        config({"worker": ["first:12345", ""]}),
        config({"worker": ["first:12345", None]}),
        # No place among the workers.
        config({"worker": []}),
        config(index=2),
        config(index=-1),
        config(index="second"),
        config(index=""),
        config(index=None),
        config(index=[0]),
        config(index=0.5),
        config(index=True),
        config(index=float("inf")),
        config(index="9" * 5000),
        # Other roles.
        config(type="chief"),
        config(type="evaluator"),
        config(type=None),
        config({"chief": ["first:12345"], "worker": ["second:12345"]}),
        config({"worker": TWO, "ps": ["third:12345"]}),
        config({"worker": TWO, "evaluator": []}),
    ],
    ids=str,
)
def test_anything_else_is_refused_with_the_rule(content):
    text = content if isinstance(content, str) else json.dumps(content)

    with pytest.raises(ConfigurationError) as caught:
        read_cluster({VARIABLE: text})

    rule, received, remedy = str(caught.value).splitlines()
    assert rule == (
        "--strategy=multi_worker reads from TF_CONFIG the address of every worker, under no name "
        "but worker, and which of them this process is."
    )
    assert received == f"  Received: TF_CONFIG: {text}"
    assert remedy.startswith("  Remedy: Set it as TF_CONFIG='{")
    assert caught.value.exit_status == 2


def test_without_the_variable_the_remedy_shows_one_that_works():
    with pytest.raises(ConfigurationError, match="Received: TF_CONFIG: no such variable") as caught:
        read_cluster({})

    example = caught.value.remedy.partition("TF_CONFIG='")[2].partition("'")[0]
    assert read_cluster({VARIABLE: example}) == Cluster(("host:port", "host:port"), 0)
