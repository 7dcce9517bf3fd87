"""What the verify command prints at its end."""

from darts_adv_tf.data.data_issue import KINDS
from darts_adv_tf.data.inspection import Inspection, Range
from darts_adv_tf.terminal.printable import printable

NUM_SHOWN = 20
"""Issues that are printed one by one; the report and the CSV file have all of them."""

_WIDTH = 17


def inspection_table(inspection: Inspection) -> str:
    """The summary of a data set, the verdict, the kinds of issues, and the worst issues."""
    lines = [f"{name:<{_WIDTH}}{printable(value)}" for name, value in summary(inspection).items()]
    counts = inspection.cases_by_kind()
    if not counts:
        return "\n".join([*lines, f"{'issues':<{_WIDTH}}none"])
    lines += ["", verdict(inspection), "", f"{'issue':<{_WIDTH}}cases  fatal"]
    for (kind, is_fatal), count in counts.items():
        lines.append(f"{kind:<{_WIDTH}}{count:5}  {'yes' if is_fatal else 'no':<5} {KINDS[kind]}")
    lines += ["", "the worst:" if len(inspection.issues) > NUM_SHOWN else "all of them:"]
    lines += [
        f"{'fatal' if issue.is_fatal else 'warning':<7} {issue.kind:<15} {printable(str(issue))}"
        for issue in inspection.issues[:NUM_SHOWN]
    ]
    if len(inspection.issues) > NUM_SHOWN:
        lines.append(f"and {len(inspection.issues) - NUM_SHOWN} more, see the report")
    return "\n".join([*lines, ""])


def verdict(inspection: Inspection) -> str:
    """One sentence: can training start, and can the test metrics be trusted?"""
    num_fatal, num_leaks = len(inspection.fatal_issues), len(inspection.suspected_leaks)
    if num_fatal:
        return f"{num_fatal} fatal issue(s): training cannot start."
    doubts = [issue.message for issue in inspection.absent_classes]
    if num_leaks:
        doubts.insert(
            0,
            f"{num_leaks} near duplicate(s) have one image in training and one in test: the test "
            "metrics may be too good",
        )
    if doubts:
        return f"Training can start, but {'; '.join(doubts)}."
    if inspection.issues:
        return f"No fatal issues, {len(inspection.issues)} warning(s)."
    return "No issues found."


def summary(inspection: Inspection) -> dict[str, str]:
    """The facts of a data set as text, by name."""
    num_cases = len(inspection.readings)
    unusable = num_cases - inspection.num_usable
    rows = {
        "cases": f"{num_cases} of {inspection.collection.name}"
        + (f", {unusable} of which cannot be used" if unusable else ""),
        "split": ", ".join(f"{count} {part}" for part, count in inspection.parts.items()) or "none",
    }
    if inspection.stored:
        rows["stored images"] = _stored(inspection.stored)
    if inspection.class_shares:
        rows["pixels by class"] = ", ".join(
            f"{name} {share:.1%}" for name, share in inspection.class_shares.items()
        )
    return rows


def _stored(stored: dict[str, Range]) -> str:
    channels, maximum = stored["channels"], stored.get("intensity_maximum")
    bound = "unbounded intensities" if maximum is None else f"intensities up to {_range(maximum)}"
    return (
        f"{_range(stored['width'])} pixels wide, {_range(stored['height'])} high, "
        f"{_range(channels)} channel{'' if channels.highest == 1 else 's'}, {bound}"
    )


def _range(values: Range) -> str:
    if values.lowest == values.highest:
        return f"{values.lowest:g}"
    return f"{values.lowest:g} to {values.highest:g}"
