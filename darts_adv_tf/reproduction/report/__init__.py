"""The report of the reproduction: one HTML page, and the same tables as Markdown and CSV."""

from darts_adv_tf.reproduction.report.content import FailedRun
from darts_adv_tf.reproduction.report.write import write_report

__all__ = ["FailedRun", "write_report"]
