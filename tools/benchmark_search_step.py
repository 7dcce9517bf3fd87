"""Measures one search step (Alg. 1) on the present machine, and beside it the same in PyTorch.

    python tools/benchmark_search_step.py --image_size=64 --reference=contiguous

Prints the time to the first step, the median time of a step and its parts, the peak memory and the
number of graph nodes; the last line is a JSON object with every figure and flag. Each measurement
is a process of its own, so that none finds the memory another one left. Ours and
`tools/reference_torch.py` run in turn, since a machine's speed drifts: compared are the two of one
round, and of these ratios the median is told. Beside each stands how many cores other processes
kept busy meanwhile: PyTorch's threads wait for each other at every operation, and with a core
taken from them a step has been seen to take ten times as long.

Theta and phi come from one forward pass, so players means both. Theta alone is the segmenter
trained without a discriminator, a lower bound; phi is what then remains of the players.

With a reference everything runs on the CPU, otherwise on the GPU if there is one.
"""

import importlib.util
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.system.errors import ConfigurationError

FOLDER = Path(__file__).resolve().parent
NUM_CLASSES = 4
ADVERSARIAL_WEIGHT = 0.01
DISTURBING_CORES = 0.2
LEARNING_RATE = 1e-4  # Of all three optimizers, and eta of Eq. 9.
MODES = ["exact", "finite_difference", "first_order"]
REFERENCES = ["none", "contiguous", "channels_last"]
ROLES = ["benchmark", "step", "split", "nodes"]

IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Edge of the images.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Images a batch.", lower_bound=1)
CHANNELS = flags.DEFINE_integer("discriminator_channels", 8, "Channels of the first cell.")
CELLS = flags.DEFINE_string("cells", "NRNRNRN", "The discriminator's pattern of cells.")
WIDTH = flags.DEFINE_integer("segmenter_width", 16, "Channels of the U-Net's first level.")
MODE = flags.DEFINE_enum("architecture_gradient", "exact", MODES, "Alpha's gradient, ours.")
STEPS = flags.DEFINE_integer("steps", 5, "Timed steps a round, after the first.", lower_bound=1)
ROUNDS = flags.DEFINE_integer("rounds", 3, "Runs of each, in turn.", lower_bound=1)
REFERENCE = flags.DEFINE_enum(
    "reference", "none", REFERENCES, "Whether PyTorch is measured too, and its order in memory."
)
REFERENCE_MODE = flags.DEFINE_enum(
    "reference_gradient", "finite_difference", MODES, "Alpha's gradient, the reference's."
)
REFERENCE_STEPS = flags.DEFINE_integer(
    "reference_steps", 1, "The reference's timed steps a round, after the first.", lower_bound=1
)
THREADS = flags.DEFINE_integer(
    "threads",
    2,
    "Threads of the reference. Ours takes every core, as the commands do.",
    lower_bound=1,
)
SPLIT = flags.DEFINE_bool("split", True, "Whether to time the parts of a step as well.")
ROLE = flags.DEFINE_enum(
    "role", "benchmark", ROLES, "What this process does; the benchmark starts the others itself."
)

flags.register_validator(
    CELLS, lambda cells: cells and not set(cells) - set("NR"), "One letter a cell, N or R."
)

Figures = dict[str, Any]


def peak_memory() -> float:
    """The largest resident set of this process so far, in MB of 2^20 bytes."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def busy_seconds() -> tuple[float, float]:
    """For how long the cores have worked, for any process, and for ended children of this one."""
    user, nice, system, _, _, *interrupts_and_stolen = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    of_all = (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of_all, children.ru_utime + children.ru_stime


def seconds_of(function: Callable[..., object], *arguments) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


class Subject:
    """The trainer of a search as the program builds it, on random images and labels.

    Attributes:
        trainer: The `SearchTrainer`.
        batches: The training and the validation batch.
        device: Where it runs.
    """

    def __init__(self):
        import keras
        import tensorflow as tf

        self.import_memory = peak_memory()

        from darts_adv_tf.adversarial.game import AdversarialGame
        from darts_adv_tf.data.batches import BatchArrays
        from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
        from darts_adv_tf.networks.unet import build_unet
        from darts_adv_tf.search_space.alpha import Architecture
        from darts_adv_tf.system.devices import share_cores
        from darts_adv_tf.training.search_trainer import SearchTrainer

        # All of this as `make_devices` and `stages` do it for a search.
        share_cores()
        tf.config.experimental.enable_op_determinism()
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not has_gpu})
        self.device = "GPU:0" if has_gpu else "CPU:0"
        strategy = tf.distribute.OneDeviceStrategy(self.device)
        size, batch_size = IMAGE_SIZE.value, BATCH_SIZE.value
        random = np.random.default_rng(0)
        shape = (2 * batch_size, size, size)
        images = random.uniform(size=(*shape, 1)).astype(np.float32)
        labels = random.integers(NUM_CLASSES, size=shape).astype(np.uint8)
        self.batches = tuple(
            BatchArrays(images[cases], labels[cases])
            for cases in (slice(batch_size), slice(batch_size, None))
        )
        with strategy.scope():
            keras.utils.set_random_seed(0)
            discriminator = SearchDiscriminator(CHANNELS.value, CELLS.value)
            discriminator.build((None, size, size, NUM_CLASSES))
            segmenter = build_unet((size, size, 1), NUM_CLASSES, width=WIDTH.value)
            game = AdversarialGame(
                segmenter, discriminator, NUM_CLASSES, ADVERSARIAL_WEIGHT, batch_size
            )
            self.trainer = SearchTrainer(
                game,
                Architecture(),
                LEARNING_RATE,
                LEARNING_RATE,
                MODE.value,
                LEARNING_RATE,
                strategy,
            )


def measure_step() -> Figures:
    """Time to the first step, the steps after it, and their memory."""
    import tensorflow as tf

    subject = Subject()
    trainer, batches = subject.trainer, subject.batches
    first = seconds_of(trainer.step, *batches)
    print(f"first step {first:.2f} s", flush=True)
    steps = []
    for _ in range(STEPS.value):
        steps.append(seconds_of(trainer.step, *batches))
        print(f"step {steps[-1]:.3f} s", flush=True)
    peak = peak_memory()
    players = {"segmenter": trainer.game.segmenter, "discriminator": trainer.game.discriminator}
    figures = {
        "framework": f"tensorflow {tf.__version__}",
        "device": subject.device,
        "first_step_seconds": first,
        "step_seconds": steps,
        "import_rss_mb": subject.import_memory,
        "peak_rss_mb": peak,
        "peak_above_import_mb": peak - subject.import_memory,
        "num_parameters": {
            name: sum(int(np.prod(variable.shape)) for variable in player.trainable_variables)
            for name, player in players.items()
        },
    }
    if subject.device.startswith("GPU"):
        memory = tf.config.experimental.get_memory_info(subject.device)
        figures["peak_device_mb"] = memory["peak"] / 2**20
    return figures


def measure_split() -> Figures:
    """The updates of a step as graphs of their own, in turn, after one run of each."""
    subject = Subject()
    trainer, (train_batch, val_batch) = subject.trainer, subject.batches

    from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
    from darts_adv_tf.training.trainer import weights

    with trainer.strategy.scope():
        alone = SegmentationTrainer(
            trainer.game.segmenter, LEARNING_RATE, BATCH_SIZE.value, trainer.strategy
        )

    def update_architecture(train_batch, val_batch):
        return trainer._update_architecture(trainer._players(), train_batch, val_batch)

    def update_players(batch):
        return trainer._update_players(*trainer._players(), weights(trainer.architecture), batch)

    parts = {
        "alpha": (trainer.on_replicas(update_architecture), train_batch, val_batch),
        "players": (trainer.on_replicas(update_players), train_batch),
        "theta_alone": (alone.step, train_batch),
    }
    for name, part in parts.items():
        print(f"{name}: first run {seconds_of(*part):.2f} s", flush=True)
    seconds = {name: [] for name in parts}
    for _ in range(STEPS.value):
        for name, part in parts.items():
            seconds[name].append(seconds_of(*part))
    return {f"{name}_seconds": each for name, each in seconds.items()}


def count_nodes() -> Figures:
    """The nodes of a step's graph, and with those of every function that it may call."""
    import tensorflow as tf

    subject = Subject()
    trainer = subject.trainer

    # The trainer keeps its own graph to itself; this one is traced from the same step.
    @tf.function(autograph=False)
    def step(batches):
        return trainer.strategy.run(trainer.train_step, args=batches)

    batches = tuple(trainer._split_batch(*batch) for batch in subject.batches)
    graph = step.get_concrete_function(batches).graph.as_graph_def()
    in_functions = sum(len(function.node_def) for function in graph.library.function)
    return {
        "step_graph_nodes": len(graph.node),
        "graph_functions": len(graph.library.function),
        "graph_nodes": len(graph.node) + in_functions,
    }


MEASUREMENTS = {"step": measure_step, "split": measure_split, "nodes": count_nodes}


def figures_of(name: str, script: str, *arguments: str) -> Figures:
    """Runs a measurement in a process of its own; what it prints on its way is progress.

    What it writes to stderr, of which TensorFlow writes plenty, is shown if it fails.
    """
    print(f"{name} ...", flush=True)
    environment = dict(os.environ)
    if REFERENCE.value != "none":
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    command = [sys.executable, str(FOLDER / script), *arguments]
    figures = None
    start, (all_before, own_before) = time.perf_counter(), busy_seconds()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        for line in process.stdout:
            if line.startswith("{"):
                figures = json.loads(line)
            else:
                print(f"  {line.rstrip()}", flush=True)
        if process.wait() or figures is None:
            errors.seek(0)
            sys.exit(
                f"{errors.read()}\nA measurement ends with its figures.\n"
                f"  Received: status {process.returncode} of {' '.join(command)}\n"
                "  Remedy: see its own message above; a status of -9 is a lack of memory, which a "
                "smaller --image_size or --batch_size mends."
            )
    all_after, own_after = busy_seconds()
    others = all_after - all_before - (own_after - own_before)
    cores = max(0.0, others / (time.perf_counter() - start))
    if cores > DISTURBING_CORES:
        print(f"  disturbed: other processes kept {cores:.1f} cores busy", flush=True)
    return figures | {"cores_busy_with_others": cores}


def measure_ours(name: str, role: str) -> Figures:
    """This file once more, in another role."""
    return figures_of(name, "benchmark_search_step.py", *sys.argv[1:], f"--role={role}")


def measure_reference(name: str) -> Figures:
    """The PyTorch version of the same step."""
    return figures_of(
        name,
        "reference_torch.py",
        f"--image_size={IMAGE_SIZE.value}",
        f"--batch_size={BATCH_SIZE.value}",
        f"--discriminator_channels={CHANNELS.value}",
        f"--discriminator_cells={CELLS.value}",
        f"--segmenter_width={WIDTH.value}",
        f"--architecture_gradient={REFERENCE_MODE.value}",
        f"--memory_format={REFERENCE.value}",
        f"--learning_rate={LEARNING_RATE}",
        f"--steps={REFERENCE_STEPS.value}",
        f"--threads={THREADS.value}",
    )


def check_reference() -> None:
    """Refuses, before anything is measured, a reference that could not run."""
    if importlib.util.find_spec("torch") is None:
        raise ConfigurationError(
            "A reference is measured with PyTorch.",
            received=f"--reference={REFERENCE.value}, no module torch in {sys.executable}",
            remedy="pip install -r tools/requirements.txt, or leave --reference out.",
        )
    if IMAGE_SIZE.value % 16:
        raise ConfigurationError(
            "The reference does not pad: its images' edge is a multiple of 16.",
            received=f"--image_size={IMAGE_SIZE.value}",
            remedy="Use such a size, or leave --reference out.",
        )


def summary(rounds: list[Figures]) -> Figures:
    """What the rounds of one of the two come to: medians of their medians, and each round."""

    def over_rounds(name: str) -> float:
        return statistics.median(np.median(figures[name]) for figures in rounds)

    common = {name: rounds[0][name] for name in ("framework", "num_parameters")}
    numbers = [name for name in rounds[0] if name.endswith(("_seconds", "_mb"))]
    return common | {name: over_rounds(name) for name in numbers} | {"rounds": rounds}


def spread(ratios: list[float]) -> Figures:
    """Median, minimum and maximum of ratios, and each of them."""
    return {
        "median": statistics.median(ratios),
        "minimum": min(ratios),
        "maximum": max(ratios),
        "rounds": ratios,
    }


def run_rounds() -> tuple[list[Figures], list[Figures]]:
    """Ours and the reference in turn."""
    ours, references = [], []
    for number in range(1, ROUNDS.value + 1):
        of_all = f"{number} of {ROUNDS.value}"
        ours.append(measure_ours(f"round {of_all}, ours", "step"))
        if REFERENCE.value != "none":
            references.append(measure_reference(f"round {of_all}, reference"))
            sizes, expected = (each[-1]["num_parameters"] for each in (ours, references))
            if sizes != expected:
                print(f"  NOT the same networks: ours {sizes}, reference {expected}", flush=True)
    return ours, references


def print_rounds(ours: Figures, reference: Figures | None, ratio: Figures | None) -> None:
    """Each round's median step, and in brackets the cores that were busy with other things."""
    print("\nmedian step of each round, s (cores busy with other processes)")
    compared = f"{'reference':>18}{'ratio':>10}" if reference else ""
    print(f"{'round':>5}{'ours':>18}{compared}")
    for index in range(len(ours["rounds"])):
        line = f"{index + 1:5}"
        for figures in (each["rounds"][index] for each in (ours, reference) if each):
            line += f"{np.median(figures['step_seconds']):12.3f}"
            line += f" ({figures['cores_busy_with_others']:.1f})"
        print(line + (f"{ratio['rounds'][index]:10.2f}" if ratio else ""))


def print_medians(ours: Figures, reference: Figures | None, ratios: dict[str, Figures]) -> None:
    """A line a figure: ours, the reference's, and how many times ours it is."""
    rows = {
        "step_seconds": "step, s",
        "alpha_seconds": "  alpha, s",
        "players_seconds": "  players (theta and phi), s",
        "theta_alone_seconds": "    theta alone, at least, s",
        "phi_remainder_seconds": "    phi, the remainder, s",
        "first_step_seconds": "first step, s",
        "peak_above_import_mb": "peak memory above imports, MB",
        "peak_device_mb": "peak memory of the device, MB",
        "graph_nodes": "graph nodes",
        "graph_functions": "  functions in the graph",
    }
    compared = f"{'reference':>12}   reference / ours (lowest to highest)" if reference else ""
    print(f"\n{'median of the rounds':34}{'ours':>12}{compared}")
    for name, title in rows.items():
        if name not in ours:
            continue
        digits = 3 if name.endswith("_seconds") else 0
        line = f"{title:34}{ours[name]:12,.{digits}f}"
        if reference and name in reference:
            line += f"{reference[name]:12,.{digits}f}"
        if name in ratios:
            median, lowest, highest = (ratios[name][k] for k in ("median", "minimum", "maximum"))
            line += f"   {median:.2f} ({lowest:.2f} to {highest:.2f})"
        print(line)


def benchmark() -> None:
    """All measurements, the tables, and the line of JSON."""
    if REFERENCE.value != "none":
        check_reference()
    our_rounds, reference_rounds = run_rounds()
    ours = summary(our_rounds) | {"device": our_rounds[0]["device"]}
    if SPLIT.value:
        split = measure_ours("parts of a step, ours", "split")
        disturbance = split.pop("cores_busy_with_others")
        medians = {name: statistics.median(seconds) for name, seconds in split.items()}
        remainder = medians["players_seconds"] - medians["theta_alone_seconds"]
        ours |= medians | {"phi_remainder_seconds": remainder}
        ours["split_steps"] = split | {"cores_busy_with_others": disturbance}
    nodes = measure_ours("graph nodes, ours", "nodes")
    ours |= {name: nodes[name] for name in nodes if name.startswith(("step_", "graph_"))}
    reference, ratios = None, {}
    if reference_rounds:
        reference = summary(reference_rounds)
        for name in ("step_seconds", "first_step_seconds", "peak_above_import_mb"):
            pairs = zip(reference_rounds, our_rounds, strict=True)
            ratios[name] = spread(
                [float(np.median(one[name]) / np.median(other[name])) for one, other in pairs]
            )

    title = f"\nours: {MODE.value}, {ours['framework']}, {ours['device']}"
    if reference:
        title += f"\nreference: {REFERENCE_MODE.value}, {reference['framework']}, {REFERENCE.value}"
    print(title)
    print_rounds(ours, reference, ratios.get("step_seconds"))
    print_medians(ours, reference, ratios)
    used = {flag.name: flag.value for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
    used.pop("role")
    cores = len(os.sched_getaffinity(0))
    answer = {"ours": ours, "reference": reference, "reference_over_ours": ratios}
    print()
    print(json.dumps(answer | {"cores": cores, "flags": used}), flush=True)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    if ROLE.value != "benchmark":
        print(json.dumps(MEASUREMENTS[ROLE.value]()), flush=True)
        return
    try:
        benchmark()
    except ConfigurationError as error:
        print(f"benchmark_search_step: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    app.run(main)
