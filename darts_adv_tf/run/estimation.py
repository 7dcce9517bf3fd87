"""What a run will cost on this machine: its steps, its whole time and its memory."""

import dataclasses
import statistics
import time
from collections.abc import Iterable

import tensorflow as tf

from darts_adv_tf.config import RunConfig
from darts_adv_tf.run import stages
from darts_adv_tf.run.components import (
    Devices,
    Run,
    make_devices,
    make_search_trainer,
    make_trainer,
)
from darts_adv_tf.run.training_stage import Step, retrain_step, search_step, set_graph_optimizer
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.system.memory import format_gibibytes, memory_bytes, peak_memory_bytes
from darts_adv_tf.terminal.progress import format_duration

NUM_MEASURED_STEPS = {"search": 3, "retrain": 5}
"""Steps after the first."""
LARGE_SHARE = 0.8
"""Of the memory: what a run still adds, such as its evaluation, and other programs need some."""
_WHAT_IS_NOT_IN_IT = (
    "Without the start of Python and TensorFlow, checkpoints, figures, evaluation and export."
)
_WHICH_GENOTYPE = (
    "Retraining was measured with the genotype of the first alpha, which the search will change."
)


@dataclasses.dataclass(frozen=True)
class StageEstimate:
    """One stage of a run.

    Args:
        name: `search` or `retrain`.
        num_steps: Of the whole stage.
        first_seconds: From before its parts are made to the end of the first step, which builds
            the graph.
        step_seconds: Median of the steps measured after the first.
        comparison_seconds: What the comparisons of --compare_gradient_every add, over all steps
            after the first.
    """

    name: str
    num_steps: int
    first_seconds: float
    step_seconds: float
    comparison_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Of the whole stage."""
        later_seconds = (self.num_steps - 1) * self.step_seconds
        return self.first_seconds + later_seconds + self.comparison_seconds


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A whole run.

    Args:
        loading_seconds: Of the data.
        stages: In their order.
        peak_bytes: The most memory that the process has held so far.
        memory_bytes: What the machine has, or allows the process.
        gpu_peak_bytes: The same as `peak_bytes` on each GPU of the run.
        is_genotype_known: Whether the retraining is that of the run, or with another genotype.
    """

    loading_seconds: float
    stages: tuple[StageEstimate, ...]
    peak_bytes: int
    memory_bytes: int
    gpu_peak_bytes: tuple[int, ...] = ()
    is_genotype_known: bool = True

    @property
    def total_seconds(self) -> float:
        """Of the data and every stage."""
        return self.loading_seconds + sum(stage.total_seconds for stage in self.stages)


def estimate_run(config: RunConfig) -> Estimate:
    """Makes the parts of the run, and a few of its steps, and measures them. Writes nothing.

    The peak of the memory is that of the process: ask before anything else has used much.
    """
    genotype = stages.load_or_draw_genotype(config)
    devices = make_devices(config)
    start = time.monotonic()
    run = stages.load_and_report_data(config, devices)
    loading_seconds = time.monotonic() - start
    estimates = []
    if config.command == "search":
        stage, genotype = _estimate_search(run)
        estimates.append(stage)
    if config.training.retrain_epochs:
        estimates.append(_estimate_retrain(run, genotype))
    return Estimate(
        loading_seconds,
        tuple(estimates),
        peak_memory_bytes(),
        memory_bytes(),
        _gpu_peak_bytes(devices),
        is_genotype_known=config.command == "train" or len(estimates) == 1,
    )


def estimate_table(estimate: Estimate) -> str:
    """The estimate for a reader, with a warning where the memory may not suffice."""
    lines = ["".ljust(16) + f"{'first step':>12}{'s/step':>10}{'steps':>8}{'total':>11}"]
    lines.append(_row("data", total=format_duration(estimate.loading_seconds)))
    for stage in estimate.stages:
        total = stage.total_seconds - stage.comparison_seconds
        first, each = f"{stage.first_seconds:.1f} s", f"{stage.step_seconds:.3f}"
        lines.append(_row(stage.name, first, each, str(stage.num_steps), format_duration(total)))
        if stage.comparison_seconds:
            comparisons = format_duration(stage.comparison_seconds)
            lines.append(_row("its comparisons", total=comparisons))
    lines.append(_row("whole run", total=format_duration(estimate.total_seconds)))
    share = estimate.peak_bytes / estimate.memory_bytes
    lines.append(
        f"peak memory: {format_gibibytes(estimate.peak_bytes)} of "
        f"{format_gibibytes(estimate.memory_bytes)} ({share:.0%})"
    )
    for index, peak in enumerate(estimate.gpu_peak_bytes):
        lines.append(f"peak memory of GPU {index}: {format_gibibytes(peak)}")
    lines.append(_WHAT_IS_NOT_IN_IT)
    if not estimate.is_genotype_known:
        lines.append(_WHICH_GENOTYPE)
    if share > LARGE_SHARE:
        lines.append(
            f"WARNING: the run takes more than {LARGE_SHARE:.0%} of the memory and may fail for "
            "lack of it.\nLower --batch_size, --image_size, --segmenter_width or "
            "--discriminator_channels."
        )
    return "\n".join(lines)


def _estimate_search(run: Run) -> tuple[StageEstimate, Genotype]:
    """The search, and the genotype of its first alpha."""
    start = time.monotonic()
    trainer = make_search_trainer(run)
    genotype = trainer.architecture.derive()
    step = search_step(run, trainer)
    compare_every = run.config.training.compare_gradient_every
    return _estimate_stage("search", run, step, start, compare_every), genotype


def _estimate_retrain(run: Run, genotype: Genotype | None) -> StageEstimate:
    start = time.monotonic()
    step = retrain_step(run, make_trainer(run, genotype))
    return _estimate_stage("retrain", run, step, start)


def _estimate_stage(
    stage: str, run: Run, step: Step, start: float, compare_every: int = 0
) -> StageEstimate:
    num_steps = run.epoch_ends(stage)[-1]
    set_graph_optimizer(stage, num_steps)
    print(f"{stage}: measuring; the first step builds the graph and takes longest", flush=True)
    step(0)
    first_seconds = time.monotonic() - start
    numbers = range(1, 1 + NUM_MEASURED_STEPS[stage])
    if compare_every < 2:
        step_seconds = _median_seconds(step, numbers)
        return StageEstimate(stage, num_steps, first_seconds, step_seconds)
    plain = [number for number in numbers if number % compare_every]
    step_seconds = _median_seconds(step, plain)
    num_comparisons = (num_steps - 1) // compare_every
    comparison_seconds = 0.0
    if num_comparisons:
        added_seconds = _median_seconds(step, [compare_every]) - step_seconds
        comparison_seconds = num_comparisons * max(0.0, added_seconds)
    return StageEstimate(stage, num_steps, first_seconds, step_seconds, comparison_seconds)


def _median_seconds(step: Step, numbers: Iterable[int]) -> float:
    """Of the steps of the given numbers; each waits for its figures."""
    seconds = []
    for number in numbers:
        start = time.monotonic()
        step(number)
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


def _gpu_peak_bytes(devices: Devices) -> tuple[int, ...]:
    names = [device.rpartition("device:")[-1] for device in devices.worker_devices]
    return tuple(
        tf.config.experimental.get_memory_info(name)["peak"]
        for name in names
        if name.startswith("GPU")
    )


def _row(name: str, first: str = "", each: str = "", num_steps: str = "", total: str = "") -> str:
    return f"{name:16}{first:>12}{each:>10}{num_steps:>8}{total:>11}"
