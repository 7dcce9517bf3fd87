"""All that a report tells, worked out once for the page, the Markdown and the CSV files."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.comparison import (
    BLIND,
    ArmSummary,
    BaselineSummary,
    Claim,
    Comparison,
    Verdict,
    blind_baselines,
    claims_about,
    compare_cases,
    judge,
    judge_against_blind,
    summarize_arms,
)
from darts_adv_tf.reproduction.report.failed_run import FailedRun
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.stability import Stability, stability
from darts_adv_tf.reproduction.statistics import mean_interval

CLAIM_FIGURES = ("mean_iou", "mean_iou_organs")
"""The claims are judged by the first, as the paper measures; the other is without background."""


@dataclasses.dataclass(frozen=True)
class Content:
    """Runs, and what follows from them.

    Attributes:
        results, failed: The runs that ended.
        settings: Values of flags, by name.
        planned: How many runs the matrix has.
        backbones: Those planned, as far as the settings tell, and those that ran.
        claims: Those that are judged.
        verdicts: By figure of `CLAIM_FIGURES`, backbone and claim.
        blind_verdicts: Whether each arm that ran beats the blind mean training mask.
        summaries, baselines, comparisons, stabilities: Of the runs, in the order of the tables.
    """

    results: Sequence[RunResult]
    failed: Sequence[FailedRun]
    settings: Mapping[str, str]
    planned: int
    backbones: Sequence[str]
    claims: Sequence[Claim]
    verdicts: Mapping[tuple[str, str, Claim], Verdict]
    blind_verdicts: Sequence[Verdict]
    summaries: Sequence[ArmSummary]
    baselines: Sequence[BaselineSummary]
    comparisons: Sequence[Comparison]
    stabilities: Sequence[Stability]

    @property
    def dataset(self) -> str:
        return self.settings.get("dataset", "")

    @property
    def versions(self) -> list[str]:
        """What the runs ran on, each kind once, by number of runs."""
        told = [
            ", ".join(f"{name} {version}" for name, version in run.versions.items())
            for run in self.results
        ]
        return [text for text, _ in Counter(told).most_common()]

    @property
    def finished_backbones(self) -> list[str]:
        """Those that have a run."""
        return [
            name for name in self.backbones if any(run.backbone == name for run in self.results)
        ]

    def runs_by_arm(self, backbone: str) -> dict[str, list[RunResult]]:
        """A backbone's runs by arm, in the order of `ARMS`, each by seed and draw."""
        ordered = sorted(self.results, key=lambda run: (run.seed, run.draw or 0))
        found = {
            arm: [run for run in ordered if (run.backbone, run.arm) == (backbone, arm)]
            for arm in ARMS
        }
        return {arm: runs for arm, runs in found.items() if runs}

    def searched(self, backbone: str) -> dict[str, list[RunResult]]:
        """Those of `runs_by_arm` that searched."""
        arms = self.runs_by_arm(backbone)
        return {arm: runs for arm, runs in arms.items() if ARMS[arm].command == "search"}

    def blind_level(self, backbone: str) -> float | None:
        """What the mean training mask reaches on the test cases; None where nobody measured it."""
        for each in self.baselines:
            if (each.backbone, each.name) == (backbone, BLIND):
                interval = each.figures.get("mean_iou")
                return interval.mean if interval else None
        return None


def gather(
    results: Sequence[RunResult],
    failed: Sequence[FailedRun],
    settings: Mapping[str, str],
    planned: int,
) -> Content:
    """Works out what the report tells of runs of the same data."""
    named = [name.strip() for name in settings.get("backbones", "").split(",")]
    ran = [run.backbone for run in results]
    backbones = [name for name in dict.fromkeys([*named, *ran]) if name]
    claims = claims_about(results)
    verdicts = {
        (figure, backbone, claim): Verdict(backbone, claim, mean_interval([]), 0, "not run")
        for figure in CLAIM_FIGURES
        for backbone in backbones
        for claim in claims
    }
    for figure in CLAIM_FIGURES:
        for verdict in judge(results, figure):
            verdicts[figure, verdict.backbone, verdict.claim] = verdict
    return Content(
        results=results,
        failed=failed,
        settings=settings,
        planned=planned,
        backbones=backbones,
        claims=claims,
        verdicts=verdicts,
        blind_verdicts=judge_against_blind(results),
        summaries=summarize_arms(results),
        baselines=blind_baselines(results),
        comparisons=compare_cases(results),
        stabilities=stability(results),
    )
