"""Draws alpha, and what would be derived from it."""

from collections.abc import Sequence

from darts_adv_tf.plots.alpha_plot import draw_op_weights
from darts_adv_tf.plots.genotype_plot import draw_cell
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.space import CELL_KINDS
from darts_adv_tf.training.callbacks import Callback, Report, is_due
from darts_adv_tf.training.callbacks.tensorboard import TensorBoard


class ArchitecturePlots(Callback):
    """Adds plots of alpha and of the derived cells to TensorBoard.

    Args:
        architecture: Owner of alpha.
        cells: The kinds of cell that the discriminator has.
        tensorboard: Takes the plots.
        every: Epochs between two plots; 0 for none.
        num_epochs: Of the search.
    """

    def __init__(
        self,
        architecture: Architecture,
        cells: Sequence[str],
        tensorboard: TensorBoard,
        every: int,
        num_epochs: int,
    ):
        self.architecture = architecture
        self.cells = cells
        self.tensorboard = tensorboard
        self.every = every
        self.num_epochs = num_epochs

    def on_epoch(self, epoch: int, report: Report) -> None:
        if not is_due(self.every, epoch, self.num_epochs):
            return
        genotype, space = self.architecture.derive(), self.architecture.space
        for kind, op_weights in zip(CELL_KINDS, self.architecture.op_weights(), strict=True):
            if kind in self.cells:
                title = f"{kind} cell after step {report.done}"
                alpha = draw_op_weights(op_weights, space, title)
                cell = draw_cell(getattr(genotype, kind), title)
                self.tensorboard.add_image(report.done, f"alpha/{kind}", alpha)
                self.tensorboard.add_image(report.done, f"genotype/{kind}", cell)
