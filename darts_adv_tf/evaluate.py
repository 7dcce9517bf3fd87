"""Evaluates the segmenter of a finished run on its test cases.

python -m darts_adv_tf.evaluate --workdir=runs/search-<time>
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """Writes metrics.json, per_case.csv and overlays.png anew."""
    from darts_adv_tf.run import stages
    from darts_adv_tf.run.components import Builder
    from darts_adv_tf.terminal.closing_table import files_table, metrics_table

    builder = Builder(config, continues_run=True)
    print(metrics_table(stages.evaluate(builder, stages.restored_segmenter(builder))))
    print(files_table(config.workdir))


if __name__ == "__main__":
    run(main, "evaluate")
