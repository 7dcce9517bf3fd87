"""One search step in PyTorch, wired as the published DARTS source is, to measure ours against.

    python tools/reference_torch.py --image_size=64 --discriminator_channels=8

The same losses, the same networks and the same Alg. 1 as `darts_adv_tf`, of which nothing is
imported: a module an operation and an edge, run eagerly, each operation evaluated by itself. The
last line printed is a JSON object: seconds, peak resident memory, numbers of weights, flags.

Legend: N batch, H, W, K classes, C channels; every image is (N, C, H, W).

References: Liu et al., DARTS, ICLR 2019, and its source, github.com/quark0/darts
(cnn/operations.py, cnn/model_search.py, cnn/architect.py); Dong et al., MICCAI 2019.
"""

import copy
import itertools
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from absl import app, flags
from torch import nn
from torch.nn import functional

PRIMITIVES = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect")
PRIMITIVES += ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
NUM_INPUT_NODES = 2
TARGETS = (2, 3, 4, 5)
EDGES = tuple((source, target) for target in TARGETS for source in range(target))

NUM_CLASSES = 4
NUM_POOLINGS = 4
ADVERSARIAL_WEIGHT = 0.01  # lambda_adv of Eq. 1
FINITE_DIFFERENCE_SCALE = 0.01  # the step along v is this over the norm of v
MODES = ["exact", "finite_difference", "first_order"]
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Edge of the images, a multiple of 16.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Images a batch.")
CHANNELS = flags.DEFINE_integer("discriminator_channels", 8, "Channels of the first cell.")
CELLS = flags.DEFINE_string("discriminator_cells", "NRNRNRN", "Pattern of cells.")
WIDTH = flags.DEFINE_integer("segmenter_width", 16, "Channels of the U-Net's first level.")
MODE = flags.DEFINE_enum("architecture_gradient", "finite_difference", MODES, "Alpha's gradient.")
FORMAT = flags.DEFINE_enum("memory_format", "contiguous", list(MEMORY_FORMATS), "Order in memory.")
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-4, "Of Adam, and eta of Eq. 9.")
STEPS = flags.DEFINE_integer("steps", 3, "Timed steps, after one that is not.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", 2, "Threads of an operation.", lower_bound=1)

Tensors = Sequence[torch.Tensor]


class Zero(nn.Module):
    """`none`: zeros, at the output's size."""

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class FactorizedReduce(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2, one of them shifted by (1, 1), and BN."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        half = channels // 2
        self.even = nn.Conv2d(in_channels, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, channels - half, 1, stride=2, bias=False)
        self.normalize = normalization(channels)

    def forward(self, x):
        x = functional.relu(x)
        return self.normalize(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))


def normalization(channels: int, affine: bool = False) -> nn.BatchNorm2d:
    """BN by the statistics of the batch, without running ones."""
    return nn.BatchNorm2d(channels, eps=1e-5, affine=affine, track_running_stats=False)


def relu_convolution(in_channels: int, channels: int) -> nn.Sequential:
    """ReLU, 1x1 convolution, BN."""
    along = nn.Conv2d(in_channels, channels, 1, bias=False)
    return nn.Sequential(nn.ReLU(), along, normalization(channels))


def depthwise_block(channels: int, size: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """ReLU, depthwise convolution, 1x1 convolution, BN."""
    padding = dilation * (size // 2)
    shape = (channels, channels, size, stride, padding, dilation)
    across = nn.Conv2d(*shape, groups=channels, bias=False)
    along = nn.Conv2d(channels, channels, 1, bias=False)
    return nn.Sequential(nn.ReLU(), across, along, normalization(channels))


def make_operation(primitive: str, channels: int, stride: int) -> nn.Module:
    """The module of a primitive's name."""
    match primitive.split("_"):
        case ["none"]:
            return Zero(stride)
        case ["max", "pool", _]:
            return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), normalization(channels))
        case ["avg", "pool", _]:
            pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
            return nn.Sequential(pool, normalization(channels))
        case ["skip", "connect"]:
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        case ["sep", "conv", size]:
            return nn.Sequential(*(depthwise_block(channels, int(size[0]), s) for s in (stride, 1)))
        case ["dil", "conv", size]:
            return depthwise_block(channels, int(size[0]), stride, dilation=2)
    raise ValueError(f"There is no such operation. Received: primitive={primitive!r}")


class MixedOp(nn.Module):
    """An edge: all operations, weighted (Eq. 6)."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.operations = nn.ModuleList(make_operation(p, channels, stride) for p in PRIMITIVES)

    def forward(self, x, weights):
        return sum(w * operation(x) for w, operation in zip(weights, self.operations, strict=True))


class Cell(nn.Module):
    """Eq. 5: two inputs brought to C channels, a module an edge, the nodes concatenated.

    `kinds` are two letters, N (normal) or R (reduction): of the cell before and of this one.
    """

    def __init__(self, in_channels: tuple[int, int], channels: int, kinds: str):
        super().__init__()
        self.reduction = reduction = kinds[1] == "R"
        prepare_older = FactorizedReduce if kinds[0] == "R" else relu_convolution
        self.prepare_older = prepare_older(in_channels[0], channels)
        self.prepare_newer = relu_convolution(in_channels[1], channels)
        strides = (2 if reduction and source < NUM_INPUT_NODES else 1 for source, _ in EDGES)
        self.edges = nn.ModuleList(MixedOp(channels, stride) for stride in strides)

    def forward(self, older, newer, op_weights):
        nodes = [self.prepare_older(older), self.prepare_newer(newer)]
        for target in TARGETS:
            incoming = [index for index, edge in enumerate(EDGES) if edge[1] == target]
            nodes.append(sum(self.edges[i](nodes[EDGES[i][0]], op_weights[i]) for i in incoming))
        return torch.cat(nodes[NUM_INPUT_NODES:], dim=1)


class SearchDiscriminator(nn.Module):
    """The supernet, (N, K, H, W) -> logits (N,).

    `alpha`, of normal and reduction cells, each (14, 8), is not among the `parameters()`.
    """

    def __init__(self, channels: int, cell_pattern: str):
        super().__init__()
        older_channels = newer_channels = 3 * channels
        convolution = nn.Conv2d(NUM_CLASSES, newer_channels, 3, padding=1, bias=False)
        normalize = normalization(newer_channels, affine=True)
        self.head = nn.Sequential(convolution, normalize, nn.MaxPool2d(2))
        self.cells = nn.ModuleList()
        for kinds in map("".join, itertools.pairwise("N" + cell_pattern)):
            channels *= 2 if kinds[1] == "R" else 1
            self.cells.append(Cell((older_channels, newer_channels), channels, kinds))
            older_channels, newer_channels = newer_channels, len(TARGETS) * channels
        self.bottom = nn.Linear(newer_channels, 1)
        scores = 1e-3 * torch.randn(2, len(EDGES), len(PRIMITIVES))
        self.alpha = [one.clone().requires_grad_() for one in scores]

    def forward(self, masks):
        older = newer = self.head(masks)
        for cell in self.cells:
            op_weights = functional.softmax(self.alpha[int(cell.reduction)], dim=-1)
            older, newer = newer, cell(older, newer, op_weights)
        pooled = functional.relu(newer).mean(dim=(2, 3))
        return self.bottom(pooled).squeeze(dim=-1)


def convolve_twice(in_channels: int, channels: int) -> nn.Sequential:
    """Two 3x3 convolutions with ReLU."""
    first = nn.Conv2d(in_channels, channels, 3, padding=1)
    second = nn.Conv2d(channels, channels, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """The segmenter, images (N, 1, H, W) -> logits (N, K, H, W); H, W multiples of 16."""

    def __init__(self, width: int):
        super().__init__()
        widths = [width * 2**level for level in range(NUM_POOLINGS + 1)]
        self.encoder = nn.ModuleList(map(convolve_twice, [1, *widths[:-2]], widths[:-1]))
        self.bottom = convolve_twice(widths[-2], widths[-1])
        upwards = widths[-2::-1]
        self.up_convolutions = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, 2) for c in upwards)
        self.decoder = nn.ModuleList(convolve_twice(2 * c, c) for c in upwards)
        self.score = nn.Conv2d(width, NUM_CLASSES, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images):
        features, skips = images, []
        for convolve in self.encoder:
            skips.append(convolve(features))
            features = functional.max_pool2d(skips[-1], 2)
        features = self.bottom(features)
        for up_convolution, convolve in zip(self.up_convolutions, self.decoder, strict=True):
            features = convolve(torch.cat([skips.pop(), up_convolution(features)], dim=1))
        return self.score(features)


class Batch(NamedTuple):
    """Images (N, 1, H, W), 0..1, labels (N, H, W) and their one-hot masks (N, K, H, W)."""

    images: torch.Tensor
    labels: torch.Tensor
    real_masks: torch.Tensor


class Game(nn.Module):
    """The two players and what each descends (Eqs. 1, 2 and 8)."""

    def __init__(self, segmenter: nn.Module, discriminator: SearchDiscriminator):
        super().__init__()
        self.segmenter = segmenter
        self.discriminator = discriminator
        self.theta = list(segmenter.parameters())
        self.phi = list(discriminator.parameters())
        self.alpha = discriminator.alpha

    def segmenter_loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Eq. 1, a scalar, and the fake masks that it judged."""
        logits = self.segmenter(batch.images)
        fake_masks = functional.softmax(logits, dim=1)
        adversarial = functional.softplus(-self.discriminator(fake_masks)).mean()
        segmentation = functional.cross_entropy(logits, batch.labels)
        return segmentation + ADVERSARIAL_WEIGHT * adversarial, fake_masks

    def discriminator_loss(self, real_masks, fake_masks) -> torch.Tensor:
        """Eq. 2, a scalar; both passes have batch statistics of their own."""
        on_real = functional.softplus(-self.discriminator(real_masks)).mean()
        on_fake = functional.softplus(self.discriminator(fake_masks)).mean()
        return on_real + on_fake

    def architecture_objective(self, batch: Batch) -> torch.Tensor:
        """Eq. 8, a scalar."""
        fake_masks = functional.softmax(self.segmenter(batch.images), dim=1)
        return self.discriminator_loss(batch.real_masks, fake_masks)

    def training_gradients(self, batch: Batch, create_graph: bool = False):
        """The gradients of Eqs. 1 by theta and 2 by phi, from one forward of the segmenter.

        Without `create_graph` the activations of the first loss are freed before the second.
        """
        loss, fake_masks = self.segmenter_loss(batch)
        by_theta = torch.autograd.grad(loss, self.theta, create_graph=create_graph)
        loss = self.discriminator_loss(batch.real_masks, fake_masks.detach())
        by_phi = torch.autograd.grad(loss, self.phi, create_graph=create_graph)
        return by_theta, by_phi

    def by_alpha(self, outputs, grad_outputs=None) -> tuple[torch.Tensor, ...]:
        """Gradients by alpha, zero for a kind of cell that there is none of."""
        return torch.autograd.grad(
            outputs, self.alpha, grad_outputs, allow_unused=True, materialize_grads=True
        )


def architecture_gradient(
    mode: str, game: Game, train_batch: Batch, val_batch: Batch, unroll_rate: float
) -> list[torch.Tensor]:
    """d J_val / d alpha, one tensor an alpha; leaves the weights as they are, but for rounding."""
    if mode == "first_order":
        return list(game.by_alpha(game.architecture_objective(val_batch)))

    exact = mode == "exact"
    by_theta, by_phi = game.training_gradients(train_batch, create_graph=exact)
    virtual = copy.deepcopy(game)
    add_in_place(virtual.theta, by_theta, -unroll_rate)
    add_in_place(virtual.phi, by_phi, -unroll_rate)
    virtual.architecture_objective(val_batch).backward()
    v_theta, v_phi = ([w.grad for w in weights] for weights in (virtual.theta, virtual.phi))
    v_alpha = [torch.zeros_like(a) if a.grad is None else a.grad for a in virtual.alpha]
    if exact:
        second_order = game.by_alpha([*by_theta, *by_phi], [*v_theta, *v_phi])
    else:
        second_order = finite_difference_products(game, train_batch, v_theta, v_phi)
    add_in_place(v_alpha, second_order, -unroll_rate)
    return v_alpha


def finite_difference_products(
    game: Game, batch: Batch, v_theta: Tensors, v_phi: Tensors
) -> list[torch.Tensor]:
    """grad_alpha [<grad_theta L_S, v_theta> + <grad_phi L_D, v_phi>] by central differences."""
    with torch.no_grad():
        fake_masks = functional.softmax(game.segmenter(batch.images), dim=1)
    masks = (batch.real_masks, fake_masks)
    by_theta = central_difference(game, game.theta, v_theta, lambda: game.segmenter_loss(batch)[0])
    by_phi = central_difference(game, game.phi, v_phi, lambda: game.discriminator_loss(*masks))
    return list(map(torch.add, by_theta, by_phi))


def central_difference(game: Game, weights: Tensors, v: Tensors, loss) -> list[torch.Tensor]:
    """The difference of grad_alpha loss() between weights moved along v and against it."""
    step = FINITE_DIFFERENCE_SCALE / float(torch.cat([part.reshape(-1) for part in v]).norm())
    add_in_place(weights, v, step)
    above = game.by_alpha(loss())
    add_in_place(weights, v, -2 * step)
    below = game.by_alpha(loss())
    add_in_place(weights, v, step)
    return [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]


@torch.no_grad()
def add_in_place(weights: Tensors, directions: Tensors, factor: float) -> None:
    """weights += factor * directions."""
    for weight, direction in zip(weights, directions, strict=True):
        weight.add_(direction, alpha=factor)


def apply_gradients(optimizer: torch.optim.Optimizer, weights: Tensors, gradients: Tensors) -> None:
    """One step of the optimizer, which leaves no gradient behind."""
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def make_batch(memory_format: torch.memory_format) -> Batch:
    """Random images and labels, independent of each other."""
    shape = (BATCH_SIZE.value, IMAGE_SIZE.value, IMAGE_SIZE.value)
    images, labels = torch.rand(shape)[:, None], torch.randint(NUM_CLASSES, shape)
    masks = functional.one_hot(labels, NUM_CLASSES).permute(0, 3, 1, 2).to(images.dtype)
    images, masks = (x.contiguous(memory_format=memory_format) for x in (images, masks))
    return Batch(images, labels, masks)


def peak_memory() -> float:
    """The largest resident set of this process so far, in MB of 2^20 bytes."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    import_memory = peak_memory()
    torch.set_num_threads(THREADS.value)
    torch.manual_seed(0)
    memory_format = MEMORY_FORMATS[FORMAT.value]
    game = Game(UNet(WIDTH.value), SearchDiscriminator(CHANNELS.value, CELLS.value))
    game.to(memory_format=memory_format)
    train_batch, val_batch = make_batch(memory_format), make_batch(memory_format)
    rate = LEARNING_RATE.value
    alpha_optimizer = torch.optim.Adam(game.alpha, rate, betas=(0.5, 0.999))
    theta_optimizer = torch.optim.Adam(game.theta, rate, betas=(0.9, 0.999))
    phi_optimizer = torch.optim.Adam(game.phi, rate, betas=(0.9, 0.999))

    def search_step() -> tuple[float, float]:
        """Alg. 1 once; returns the seconds of alpha's half and of the players' half."""
        start = time.perf_counter()
        gradient = architecture_gradient(MODE.value, game, train_batch, val_batch, rate)
        apply_gradients(alpha_optimizer, game.alpha, gradient)
        middle = time.perf_counter()
        by_theta, by_phi = game.training_gradients(train_batch)
        apply_gradients(theta_optimizer, game.theta, by_theta)
        apply_gradients(phi_optimizer, game.phi, by_phi)
        return middle - start, time.perf_counter() - middle

    first_step_seconds = sum(search_step())
    seconds = np.array([search_step() for _ in range(STEPS.value)])
    peak = peak_memory()
    players = {"segmenter": game.theta, "discriminator": game.phi}
    measured = {
        "framework": f"torch {torch.__version__.partition('+')[0]}",
        "step_seconds": seconds.sum(axis=1).round(3).tolist(),
        "alpha_seconds": seconds[:, 0].round(3).tolist(),
        "players_seconds": seconds[:, 1].round(3).tolist(),
        "first_step_seconds": round(first_step_seconds, 3),
        "import_rss_mb": round(import_memory, 1),
        "peak_rss_mb": round(peak, 1),
        "peak_above_import_mb": round(peak - import_memory, 1),
        "num_parameters": {name: sum(w.numel() for w in ws) for name, ws in players.items()},
    }
    used = {flag.name: flag.value for flag in flags.FLAGS.get_key_flags_for_module(argv[0])}
    print(json.dumps(measured | used))


if __name__ == "__main__":
    app.run(main)
