"""The report as Markdown: the same verdicts and tables, without the pictures."""

from darts_adv_tf.reproduction.comparison import BLIND_CLAIM
from darts_adv_tf.reproduction.report import claims, tables, words
from darts_adv_tf.reproduction.report.content import CLAIM_FIGURES, Content
from darts_adv_tf.reproduction.report.table import Table, as_markdown
from darts_adv_tf.reproduction.report.wording import backbone_label
from darts_adv_tf.terminal.printable import printable


def report_markdown(content: Content) -> str:
    """The text, in UTF-8."""
    ran = content.finished_backbones
    parts = [
        f"# {as_markdown(words.title(content))}",
        words.LEAD,
        f"**{claims.progress(content)}**",
    ]
    if len(content.results) < content.planned or content.failed:
        parts.append(words.UNFINISHED)
    parts += _verdicts(content) if content.results else [words.NOTHING]
    of_figures = [tables.figures_table(content, each) for each in ran]
    if ran:
        of_figures.append(tables.setting_table(content))
    parts += _section("Figures", words.figures_notes(content), of_figures)
    of_differences = [tables.differences_table(content, each) for each in ran]
    parts += _section("Differences, case by case", [words.DIFFERENCES], of_differences)
    parts += _section("α over the search", [words.ALPHA], [tables.alpha_table(content)])
    parts += _section("Genotypes", [words.STABILITY], [tables.stability_table(content)])
    parts += _section("What the search costs", [words.COST], [tables.cost_table(content)])
    parts += _section("Failed runs", [], [tables.failures_table(content)])
    if content.settings:
        flags = (printable(f"--{flag}={value}") for flag, value in content.settings.items())
        notes = map(as_markdown, words.versions_notes(content))
        parts += ["## Settings", *notes, "\n".join(f"    {flag}" for flag in flags)]
    return "\n\n".join(parts) + "\n"


def _verdicts(content: Content) -> list[str]:
    lines = [as_markdown(claims.overview(content))]
    for claim in content.claims:
        entries = [f"- **{claim.text}**"]
        for backbone in content.backbones:
            verdict = content.verdicts[CLAIM_FIGURES[0], backbone, claim]
            told = [f"{claims.SIGNS[verdict.verdict]} **{verdict.verdict}**"]
            details = (
                claims.difference(verdict),
                claims.evidence(verdict),
                claims.without_background(content, backbone, claim),
                claims.paper_difference(content, backbone, claim),
            )
            told += [text for text in details if text]
            entries.append(f"  - {as_markdown(backbone_label(backbone))}: {'; '.join(told)}")
        lines.append("\n".join(entries))
    entries = [f"- **{BLIND_CLAIM}** {words.BLIND}"]
    for backbone in content.backbones:
        found = claims.against_blind(content, backbone)
        told = [f"{claims.SIGNS[found.verdict]} **{found.verdict}**"]
        told += [text for text in (found.evidence, found.others) if text]
        entries.append(f"  - {as_markdown(backbone_label(backbone))}: {'; '.join(told)}")
    return [*lines, "\n".join(entries), claims.GROUNDS]


def _section(heading: str, notes: list[str], written: list[Table]) -> list[str]:
    texts = [table.markdown() for table in written if table.rows]
    return [f"## {heading}", *notes, *texts] if texts else []
