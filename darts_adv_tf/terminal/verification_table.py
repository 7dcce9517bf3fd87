"""What the verify command prints at its end."""

from darts_adv_tf.data.data_issue import KINDS
from darts_adv_tf.data.inspection import Inspection, Range
from darts_adv_tf.terminal.printable import printable

NUM_SHOWN = 20
"""Findings that are printed one by one; the page and the CSV file have all of them."""

_WIDTH = 17


def inspection_table(inspection: Inspection) -> str:
    """The figures of a data set, the kinds of findings, and the worst of them."""
    lines = [f"{name:<{_WIDTH}}{printable(value)}" for name, value in summary(inspection).items()]
    counts = inspection.cases_by_kind()
    if not counts:
        return "\n".join([*lines, f"{'findings':<{_WIDTH}}none"])
    lines += ["", f"{'finding':<{_WIDTH}}cases  spoils training"]
    for (kind, spoils), count in counts.items():
        lines.append(f"{kind:<{_WIDTH}}{count:5}  {'yes' if spoils else 'no':<4} {KINDS[kind]}")
    lines += ["", "the worst:" if len(inspection.findings) > NUM_SHOWN else "all of them:"]
    lines += [
        f"{'spoils' if finding.spoils else 'warns':<7} {finding.kind:<15} {printable(str(finding))}"
        for finding in inspection.findings[:NUM_SHOWN]
    ]
    if len(inspection.findings) > NUM_SHOWN:
        lines.append(f"and {len(inspection.findings) - NUM_SHOWN} more, see the report")
    return "\n".join([*lines, ""])


def summary(inspection: Inspection) -> dict[str, str]:
    """The figures of a data set as text, by what they are."""
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
