"""The page that the verify command writes: one HTML file with its images inside."""

from collections.abc import Mapping, Sequence

from darts_adv_tf.data.data_issue import KINDS
from darts_adv_tf.data.inspection import Inspection
from darts_adv_tf.pages.rendering import Figure, render_html
from darts_adv_tf.plots.overlays import class_colours
from darts_adv_tf.terminal.verification_table import summary, verdict


def verification_page(
    inspection: Inspection,
    settings: Mapping[str, str],
    figures: Mapping[str, Sequence[Figure]],
) -> str:
    """Returns the page, in UTF-8, which loads nothing from elsewhere and runs no script.

    Args:
        inspection: What was found.
        settings: Values of flags, by name.
        figures: The images of cases, by name: of the worst cases, or of any if there is no issue.
    """
    spoils_test = inspection.suspected_leaks or inspection.absent_classes
    severity = "warning" if spoils_test else "clean"
    names = inspection.collection.class_names
    return render_html(
        "verification.html",
        title=f"Verification of {inspection.collection.name}",
        verdict=verdict(inspection),
        severity="fatal" if inspection.fatal_issues else severity,
        settings=[f"--{flag}={value}" for flag, value in settings.items()],
        summary=summary(inspection),
        kinds=inspection.cases_by_kind(),
        meanings=KINDS,
        issues=inspection.issues_by_case(),
        legend=list(zip(names[1:], class_colours(len(names)), strict=True)),
        figures=figures,
    )
