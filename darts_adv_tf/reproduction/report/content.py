"""Everything that a report shows, computed once for HTML, Markdown and CSV."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from darts_adv_tf.reproduction.arms import arm_named, in_order
from darts_adv_tf.reproduction.averages import (
    MEAN_MASK,
    ArmSummary,
    BaselineSummary,
    summarize_arms,
    summarize_baselines,
)
from darts_adv_tf.reproduction.claims import (
    CLAIM_METRICS,
    Claim,
    Verdict,
    claims_about,
    judge,
    judge_against_mean_mask,
)
from darts_adv_tf.reproduction.comparison import Comparison, compare_cases
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.stability import Stability, stability
from darts_adv_tf.reproduction.statistics import mean_interval


@dataclasses.dataclass(frozen=True)
class FailedRun:
    """A run of the matrix that ended without its files.

    Attributes:
        name: As in the matrix, such as `unet/seed_0/nas`.
        message: The error that it ended with.
        log: The file with all that it printed.
    """

    name: str
    message: str
    log: str


@dataclasses.dataclass(frozen=True)
class Content:
    """Runs, and what follows from them.

    Attributes:
        results, failed: The runs that ended.
        settings: Values of flags, by name.
        planned: How many runs the matrix has.
        backbones: Those planned, as far as the settings name them, and those that ran.
        claims: Those that are judged.
        verdicts: By metric of `CLAIM_METRICS`, backbone and claim.
        mean_mask_verdicts: Whether each arm that ran beats the mean-mask baseline.
        summaries, baselines, comparisons, stabilities: Of the runs, in the order of the tables.
    """

    results: Sequence[RunResult]
    failed: Sequence[FailedRun]
    settings: Mapping[str, str]
    planned: int
    backbones: Sequence[str]
    claims: Sequence[Claim]
    verdicts: Mapping[tuple[str, str, Claim], Verdict]
    mean_mask_verdicts: Sequence[Verdict]
    summaries: Sequence[ArmSummary]
    baselines: Sequence[BaselineSummary]
    comparisons: Sequence[Comparison]
    stabilities: Sequence[Stability]

    @property
    def dataset(self) -> str:
        return self.settings.get("dataset", "")

    @property
    def versions(self) -> list[str]:
        """What the runs ran on, each kind once, the most frequent first."""
        texts = [
            ", ".join(f"{name} {version}" for name, version in run.versions.items())
            for run in self.results
        ]
        return [text for text, _ in Counter(texts).most_common()]

    @property
    def finished_backbones(self) -> list[str]:
        """Those that have a run."""
        return [
            name for name in self.backbones if any(run.backbone == name for run in self.results)
        ]

    def runs_by_arm(self, backbone: str) -> dict[str, list[RunResult]]:
        """Returns a backbone's runs by arm, in the order of tables, each by seed and draw."""
        runs = [run for run in self.results if run.backbone == backbone]
        runs.sort(key=lambda run: (run.seed, run.draw or 0))
        return {
            arm: [run for run in runs if run.arm == arm]
            for arm in in_order(run.arm for run in runs)
        }

    def searched(self, backbone: str) -> dict[str, list[RunResult]]:
        """Returns those of `runs_by_arm` that searched."""
        arms = self.runs_by_arm(backbone)
        return {arm: runs for arm, runs in arms.items() if arm_named(arm).command == "search"}

    def arms_of(self, backbone: str) -> list[ArmSummary]:
        return [each for each in self.summaries if each.backbone == backbone]

    def baselines_of(self, backbone: str) -> list[BaselineSummary]:
        return [each for each in self.baselines if each.backbone == backbone]

    def mean_mask_iou(self, backbone: str) -> float | None:
        """The mean IoU of the mean-mask baseline on the test cases; None if not measured."""
        for each in self.baselines_of(backbone):
            if each.name == MEAN_MASK and "mean_iou" in each.metrics:
                return each.metrics["mean_iou"].mean
        return None


def gather(
    results: Sequence[RunResult],
    failed: Sequence[FailedRun],
    settings: Mapping[str, str],
    planned: int,
) -> Content:
    """Computes what the report says of runs of the same data."""
    named = [name.strip() for name in settings.get("backbones", "").split(",")]
    ran = [run.backbone for run in results]
    backbones = [name for name in dict.fromkeys([*named, *ran]) if name]
    claims = claims_about(results)
    verdicts = {
        (metric, backbone, claim): Verdict(backbone, claim, mean_interval([]), 0, "not run")
        for metric in CLAIM_METRICS
        for backbone in backbones
        for claim in claims
    }
    for metric in CLAIM_METRICS:
        for verdict in judge(results, metric):
            verdicts[metric, verdict.backbone, verdict.claim] = verdict
    return Content(
        results=results,
        failed=failed,
        settings=settings,
        planned=planned,
        backbones=backbones,
        claims=claims,
        verdicts=verdicts,
        mean_mask_verdicts=judge_against_mean_mask(results),
        summaries=summarize_arms(results),
        baselines=summarize_baselines(results),
        comparisons=compare_cases(results),
        stabilities=stability(results),
    )
