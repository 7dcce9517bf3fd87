"""The report of the reproduction: one page, and the same tables as Markdown and CSV."""

from darts_adv_tf.reproduction.report.failed_run import FailedRun
from darts_adv_tf.reproduction.report.writing import write_report

__all__ = ["FailedRun", "write_report"]
