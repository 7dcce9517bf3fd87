"""What TF_CONFIG may say and what is refused, and how workers meet."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from darts_adv_tf.system.cluster import VARIABLE, Cluster, meet, read_cluster
from darts_adv_tf.system.errors import CommunicationError, ConfigurationError

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
        # No addresses, or not one each.
        config({"worker": ["first:12345", "second"]}),
        config({"worker": ["first:12345", "second:port"]}),
        config({"worker": ["first:12345", "first:12345"]}),
        config({"worker": ["first:12345", "second:99999"]}),
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
        "TF_CONFIG must list the address of every worker, under the name worker only, and the "
        "index of this one."
    )
    assert received == f"  Received: TF_CONFIG: {text}"
    assert remedy.startswith("  Remedy: Set it as TF_CONFIG='{")
    assert caught.value.exit_status == 2


def test_without_the_variable_the_remedy_shows_one_that_works():
    with pytest.raises(ConfigurationError, match="Received: TF_CONFIG: not set") as caught:
        read_cluster({})

    example = caught.value.remedy.partition("TF_CONFIG='")[2].partition("'")[0]
    assert read_cluster({VARIABLE: example}) == Cluster(("first:12345", "second:12345"), 0)


@pytest.fixture
def workers():
    """Addresses of three workers, the first with a free port."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    return (f"localhost:{port}", "second:1", "third:1")


def start(pool, workers, index, seconds=10.0):
    """One worker that comes; the result is when it has met the others."""

    def come():
        meet(Cluster(workers, index), seconds)
        return time.monotonic()

    return pool.submit(come)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_workers_meet_in_any_order_and_not_before_the_last_has_come(order, workers):
    with ThreadPoolExecutor() as pool:
        early = [start(pool, workers, index) for index in order[:-1]]
        time.sleep(0.5)
        last = time.monotonic()
        everybody = [*early, start(pool, workers, order[-1])]
        assert all(each.result() >= last for each in everybody)


def test_a_chief_is_alone_at_once():
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    begin = time.monotonic()
    meet(Cluster((f"localhost:{port}",), 0), 10)
    assert time.monotonic() - begin < 1


def test_who_has_not_come_is_named(workers):
    with ThreadPoolExecutor() as pool:
        chief, second = (start(pool, workers, index, seconds=1.5) for index in (0, 1))
        with pytest.raises(CommunicationError, match="Received: nothing from worker 2 at third:1"):
            chief.result()
        with pytest.raises(CommunicationError, match=f"worker 0 at {workers[0]}") as caught:
            second.result()
    assert caught.value.exit_status == 6


def test_who_is_no_worker_is_not_counted(workers):
    host, port = workers[0].split(":")
    lines = (
        *(b"GET / HTTP/1.1\r\n\r\n", b"", b"1\n", b"HTTP worker in place 1\n"),
        *(b"darts_adv_tf worker x\n", b"darts_adv_tf worker 7\n"),
    )

    def visit():
        time.sleep(0.5)
        for line in lines:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(line)

    threading.Thread(target=visit).start()
    with pytest.raises(CommunicationError, match="worker 1 at second:1, 2 at third:1"):
        meet(Cluster(workers, 0), 2.5)


def test_a_worker_that_is_started_again_is_answered(workers):
    host, port = workers[0].split(":")
    with ThreadPoolExecutor() as pool:
        chief = start(pool, workers, 0)
        time.sleep(0.5)
        # One that has come and is gone.
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"darts_adv_tf worker 2\n")
        again = start(pool, workers, 2)
        time.sleep(0.8)
        for each in (start(pool, workers, 1), chief, again):
            each.result()


def test_a_report_that_comes_late_is_made_again(workers, monkeypatch):
    delays = iter([1.0])
    connect = socket.create_connection

    class Slow(socket.socket):
        def sendall(self, content):
            time.sleep(next(delays, 0.0))
            super().sendall(content)

    def connect_slowly(*arguments, **options):
        connection = connect(*arguments, **options)
        seconds = connection.gettimeout()
        slow = Slow(fileno=connection.detach())
        slow.settimeout(seconds)
        return slow

    monkeypatch.setattr(socket, "create_connection", connect_slowly)
    with ThreadPoolExecutor() as pool:
        begin = time.monotonic()
        for each in [start(pool, workers, index) for index in range(3)]:
            each.result()
    assert time.monotonic() - begin < 5


def test_a_program_at_the_chiefs_port_that_is_no_chief_is_not_believed(workers):
    host, port = workers[0].split(":")
    with socket.create_server((host, int(port))) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(CommunicationError):
            meet(Cluster(workers, 1), 1.5)


def test_a_port_that_is_taken_is_told(workers):
    host, port = workers[0].split(":")
    with (
        socket.create_server((host, int(port))),
        pytest.raises(CommunicationError, match=f"Received: port {port}"),
    ):
        meet(Cluster(workers, 0), 5)
