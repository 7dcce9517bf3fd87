"""A matrix with a fake program for its runs: what is made, in which order, and how it ends."""

import dataclasses
import fcntl
import json
import os
import shutil
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from darts_adv_tf.config.config_file import save_config, to_json
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.reproduction import reproducing, summary
from darts_adv_tf.reproduction.reproducing import reproduce
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.system.interruption import Interrupted

METRICS = json.dumps(
    {
        "num_cases": 1,
        "mean_iou": 0.7,
        "mean_iou_organs": 0.6,
        "baselines": {"all_background": {"mean_iou": 0.2, "mean_iou_organs": 0.0}},
    }
)
CASES = "case,mean_iou\none,0.7\n"
SPLIT = "case,split\none,test\ntwo,train\n"
REPOSITORY = Path(__file__).parents[2]
# Plays a run: `behaviour` comes first, then it leaves what a finished run does.
RUN = """
import os, sys, time
from pathlib import Path
folder, config = Path(sys.argv[1]), sys.argv[2]
name = "/".join(folder.parts[-3:])
def tell(text):
    with open(folder.parents[2] / "told", "a") as file:
        file.write(text + " " + name + "\\n")
tell("begin")
{behaviour}
(folder / "segmenter" / "1").mkdir(parents=True)
(folder / "config.json").write_text(config)
(folder / "metrics.json").write_text({metrics!r})
(folder / "per_case.csv").write_text({cases!r})
(folder / "cases.csv").write_text({split!r})
tell("end")
"""


@pytest.fixture(autouse=True)
def _at_hand(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(reproducing, "_POLL_SECONDS", 0.02)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Calls `reproduce` with runs that behave as given; returns its status."""

    def call(behaviour: str = "", **settings) -> int:
        source = RUN.format(
            behaviour=textwrap.dedent(behaviour), metrics=METRICS, cases=CASES, split=SPLIT
        )

        def command_of(run):
            return [sys.executable, "-c", source, run.config.workdir, to_json(run.config)]

        monkeypatch.setattr(reproducing, "command_of", command_of)
        defaults = {"arms": "none", "backbones": "unet", "seeds": "0,1,2"}
        config = ReproduceConfig(**defaults | {"workdir": str(tmp_path)} | settings)
        try:
            return reproduce(config)
        finally:
            _give_back_the_lock()

    return call


def _give_back_the_lock():
    """As at the end of the process, of which a test has one for several calls."""
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.is_symlink() and os.readlink(descriptor).endswith("matrix.lock"):
            os.close(int(descriptor.name))


def told(folder):
    path = folder / "told"
    return path.read_text().splitlines() if path.exists() else []


def states(folder):
    runs = json.loads((folder / "matrix.json").read_text())["runs"]
    return {name: (run["state"], run["status"], run["attempts"]) for name, run in runs.items()}


def begun(folder):
    return [line.removeprefix("begin ") for line in told(folder) if line.startswith("begin")]


def test_runs_are_made_one_after_the_other_in_their_order(make, tmp_path):
    assert make(seeds="1,0") == 0
    expected = [f"{word} unet/seed_{seed}/none" for seed in (1, 0) for word in ("begin", "end")]
    assert told(tmp_path) == expected
    assert set(states(tmp_path).values()) == {("done", 0, 1)}
    assert (tmp_path / "report.html").exists()


def test_no_more_run_at_a_time_than_asked_for_and_no_fewer(make, tmp_path):
    assert make("time.sleep(0.6)", seeds="0,1,2,3,4", parallel=2) == 0
    at_a_time = [0]
    for line in told(tmp_path):
        at_a_time.append(at_a_time[-1] + (1 if line.startswith("begin") else -1))
    assert max(at_a_time) == 2 and at_a_time[-1] == 0 and len(at_a_time) == 11


def test_a_finished_run_is_never_made_again(make, tmp_path):
    make(seeds="0,1")
    metrics = tmp_path / "unet" / "seed_0" / "none" / "metrics.json"
    before = metrics.stat()
    assert make() == 0
    assert begun(tmp_path) == [f"unet/seed_{seed}/none" for seed in (0, 1, 2)]
    after = metrics.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_finished_run_whose_results_were_taken_away_is_made_again(make, tmp_path):
    make(seeds="0")
    (tmp_path / "unet/seed_0/none/metrics.json").unlink()
    make("import shutil; shutil.rmtree(folder, ignore_errors=True)", seeds="0")
    assert len(begun(tmp_path)) == 2


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("metrics.json", "{}", "metrics.json has no mean_iou, mean_iou_organs, baselines"),
        ("metrics.json", '{"mean_iou": 0', "JSONDecodeError"),
        ("metrics.json", "null", "holds no metrics"),
        ("per_case.csv", "case,mean_iou\none\n", "longer or shorter than its head"),
        ("per_case.csv", "case,mean_iou\none,0.7,0.8\n", "longer or shorter than its head"),
        ("cases.csv", None, "No such file"),
        ("per_case.csv", None, "No such file"),
        ("per_case.csv", "case,mean_iou\none,much\n", "much"),
    ],
)
def test_results_that_cannot_be_read_are_told_and_end_with_6(
    make, tmp_path, capsys, file, content, told
):
    make()
    path = tmp_path / "unet/seed_1/none" / file
    path.unlink() if content is None else path.write_text(content)
    capsys.readouterr()
    for report_only in (True, False):
        assert make(report_only=report_only) == 6
        error = capsys.readouterr().err
        assert "unet/seed_1/none: The files of a finished run must" in error and told in error
        assert "Remove" in error and "seed_0/none" not in error
    assert "2 of 3 runs" in (tmp_path / "report.html").read_text()
    # As the message says.
    shutil.rmtree(path.parent)
    assert make() == 0
    assert begun(tmp_path)[3:] == ["unet/seed_1/none"]


def test_runs_of_other_data_are_told_left_out_and_end_with_3(make, tmp_path, capsys):
    make(seeds="0")
    more = """
    import atexit
    split = "case,split\\none,test\\nnew,test\\n"
    atexit.register(lambda: (folder / "cases.csv").write_text(split))
    """
    assert make(more, seeds="0,1") == 3
    error = capsys.readouterr().err
    assert "unet/seed_1/none: The runs of a matrix must be made of the same data" in error
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 runs finished, 1 failed." in page and "2 of them other ones" in page
    # As the message says.
    shutil.rmtree(tmp_path / "unet/seed_1")
    assert make(seeds="0,1") == 0


def test_a_failed_run_is_marked_and_the_others_are_made(make, tmp_path, capsys):
    failing = """
    if "seed_1" in name:
        print("train: No image.\\n  Received: none", file=sys.stderr)
        sys.exit(3)
    """
    assert make(failing) == 3
    assert states(tmp_path) == {
        "unet/seed_0/none": ("done", 0, 1),
        "unet/seed_1/none": ("failed", 3, 1),
        "unet/seed_2/none": ("done", 0, 1),
    }
    record = json.loads((tmp_path / "matrix.json").read_text())
    assert record["runs"]["unet/seed_1/none"]["message"] == "train: No image.\n  Received: none"
    assert "No image." in capsys.readouterr().err
    assert "No image." in (tmp_path / "report.html").read_text()
    # Tried again, once a call.
    assert make(failing) == 3
    assert begun(tmp_path)[3:] == ["unet/seed_1/none"]
    assert make() == 0
    assert states(tmp_path)["unet/seed_1/none"] == ("done", 0, 3)


@pytest.mark.parametrize("end", ["sys.exit(1)", "os.kill(os.getpid(), 9)", "1 / 0", "sys.exit(0)"])
def test_a_run_that_crashed_ends_with_1(make, tmp_path, end):
    assert make(end, seeds="0") == 1
    assert states(tmp_path)["unet/seed_0/none"][0] == "failed"


def test_a_run_made_by_hand_is_taken_in(make, tmp_path):
    config = ReproduceConfig(arms="none", backbones="unet", seeds="1", workdir=str(tmp_path))
    (run,) = reproducing.plan(config)
    by_hand = dataclasses.replace(run.config, workdir="elsewhere")
    save_config(by_hand, run.workdir)
    (run.workdir / "metrics.json").write_text(METRICS)
    (run.workdir / "per_case.csv").write_text(CASES)
    (run.workdir / "cases.csv").write_text(SPLIT)
    (run.workdir / "segmenter/1").mkdir(parents=True)
    assert make() == 0
    assert begun(tmp_path) == ["unet/seed_0/none", "unet/seed_2/none"]
    assert states(tmp_path)["unet/seed_1/none"] == ("done", 0, 0)


def test_a_folder_with_another_run_is_not_touched(make, tmp_path):
    config = ReproduceConfig(arms="none", backbones="unet", seeds="1", workdir=str(tmp_path))
    (run,) = reproducing.plan(config)
    training = dataclasses.replace(run.config.training, batch_size=2)
    save_config(dataclasses.replace(run.config, training=training), run.workdir)
    assert make() == 2
    assert begun(tmp_path) == ["unet/seed_0/none", "unet/seed_2/none"]
    runs = json.loads((tmp_path / "matrix.json").read_text())["runs"]
    assert "--batch_size=2, planned 4" in runs["unet/seed_1/none"]["message"]


def test_more_seeds_and_arms_add_runs(make, tmp_path):
    make(seeds="0")
    make(arms="none,resnet10", seeds="0,1")
    assert begun(tmp_path) == [
        "unet/seed_0/none",
        "unet/seed_0/resnet10",
        "unet/seed_1/none",
        "unet/seed_1/resnet10",
    ]
    # Fewer leave the rest as it is, and the report of all.
    make(seeds="0")
    assert len(begun(tmp_path)) == len(states(tmp_path)) == 4


def test_a_run_that_another_process_makes_is_waited_for(make, tmp_path, capsys):
    config = ReproduceConfig(arms="none", backbones="unet", seeds="0", workdir=str(tmp_path))
    (run,) = reproducing.plan(config)
    lock = run.workdir / "checkpoints" / "lock"
    lock.parent.mkdir(parents=True)
    with open(lock, "w") as held:
        held.write("process 7 on another")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = []
        releasing = threading.Timer(
            1.5, lambda: (ended.append(len(told(tmp_path))), fcntl.flock(held, fcntl.LOCK_UN))
        )
        releasing.start()
        assert make(seeds="0,1") == 0
    # The others go first.
    assert ended == [2] and begun(tmp_path) == ["unet/seed_1/none", "unet/seed_0/none"]
    waited = "unet/seed_0/none: in use by process 7 on another; waiting for its end\n"
    assert capsys.readouterr().err.count(waited) == 1


def test_one_process_at_a_time_makes_a_matrix(make, tmp_path):
    held = os.open(tmp_path / "matrix.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ConfigurationError, match="used by one process at a time"):
        make()
    assert not (tmp_path / "matrix.json").exists()


def test_a_run_is_no_matrix(make, tmp_path):
    save_config(ReproduceConfig().base, tmp_path)
    with pytest.raises(ConfigurationError, match="holds a run"):
        make()


def test_other_settings_are_refused_before_anything_is_made(make, tmp_path):
    make(seeds="0")
    base = ReproduceConfig().base
    base = dataclasses.replace(base, training=dataclasses.replace(base.training, batch_size=2))
    with pytest.raises(ConfigurationError, match="--batch_size=2, recorded 4"):
        make(base=base)
    assert len(begun(tmp_path)) == 1


def test_a_report_alone_is_of_all_that_there_is_and_makes_nothing(make, tmp_path, capsys):
    make(seeds="0,1")
    (tmp_path / "report.html").unlink()
    # With other flags than those of the matrix, which says all itself.
    assert make(report_only=True, backbones="fcn32s", seeds="7") == 0
    assert (tmp_path / "report.html").exists() and len(begun(tmp_path)) == len(states(tmp_path))
    assert f"report: {tmp_path / 'report.html'}" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="nowhere, which holds none"):
        make(report_only=True, workdir=str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="empty, which holds none"):
        make(report_only=True, workdir=str(tmp_path / "empty"))
    assert not any((tmp_path / "empty").iterdir())


@pytest.fixture
def _answered():
    interruption.install()
    yield
    interruption.uninstall()


@pytest.mark.usefixtures("_answered")
@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_stops_the_runs_which_go_on_with_the_next_call(make, tmp_path, number, capsys):
    patient = """
    import signal
    def save(number, frame):
        tell("save")
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, save)
    tell("ready")
    time.sleep(60)
    """

    def interrupt():
        while sum(line.startswith("ready") for line in told(tmp_path)) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted) as caught:
        make(patient, parallel=2)
    assert caught.value.signal_number == number
    saved = [line for line in told(tmp_path) if line.startswith("save")]
    assert sorted(saved) == ["save unet/seed_0/none", "save unet/seed_1/none"]
    assert states(tmp_path) == {
        "unet/seed_0/none": ("planned", None, 1),
        "unet/seed_1/none": ("planned", None, 1),
        "unet/seed_2/none": ("planned", None, 0),
    }
    interruption.uninstall()
    assert make() == 0
    assert set(states(tmp_path).values()) == {("done", 0, 1), ("done", 0, 2)}


def test_an_error_of_the_report_ends_no_run(make, tmp_path, monkeypatch, capsys):
    writes = []

    def fail(*arguments):
        writes.append(arguments)
        if len(writes) < 3:
            raise ZeroDivisionError("odd")
        return tmp_path / "report.html"

    monkeypatch.setattr(summary, "write_report", fail)
    assert make(seeds="0,1") == 0
    assert len(writes) == 3 and capsys.readouterr().err.count("ZeroDivisionError: odd") == 2
