"""Evaluates the segmenter of a finished run on its test cases.

python -m darts_adv_tf.evaluate --workdir=runs/search-<time>
"""

import json
import os
from pathlib import Path
from typing import Any

from darts_adv_tf.cli.keywords import run_with_keywords
from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """Writes metrics.json, per_case.csv and overlays.png anew."""
    from darts_adv_tf.run import stages
    from darts_adv_tf.terminal.closing_table import files_table, metrics_table

    parts, segmenter = stages.reopen(config)
    print(metrics_table(stages.evaluate(parts, segmenter)))
    print(files_table(parts.workdir))


def run_evaluate(workdir: str | os.PathLike[str], **settings: object) -> dict[str, Any]:
    """Evaluates the segmenter of a finished run on its test cases, as the command does.

    Args:
        workdir: The run's folder.
        **settings: By the other flags of `python -m darts_adv_tf.evaluate --help`.

    Returns:
        The metrics, as metrics.json holds them: fractions in 0..1.

    Raises:
        UserError: As the command ends with, by subclass.

    Example:
        Of the run in the example of `run_train`.

        >>> from darts_adv_tf import run_evaluate
        >>> metrics = run_evaluate("runs/small")
        >>> 0 <= metrics["mean_iou"] <= 1
        True
    """
    run_with_keywords(main, "evaluate", {"workdir": workdir, **settings})
    return json.loads((Path(workdir) / "metrics.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main, "evaluate")
