"""The report as one HTML page with its pictures inside, which loads and runs nothing."""

from darts_adv_tf.pages.web_page import as_html, web_page
from darts_adv_tf.reproduction.comparison import BLIND_CLAIM, Claim
from darts_adv_tf.reproduction.report import claims, tables, words
from darts_adv_tf.reproduction.report import plots as figures
from darts_adv_tf.reproduction.report.content import CLAIM_FIGURES, Content
from darts_adv_tf.reproduction.report.style import STYLE
from darts_adv_tf.reproduction.report.table import Table
from darts_adv_tf.reproduction.report.wording import backbone_label


def report_page(content: Content) -> str:
    """The page, in UTF-8."""
    sections = [section for section in _sections(content) if section[2]]
    links = " ".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in sections)
    body = [
        f'<p class="lead">{as_html(words.LEAD)}</p>',
        _progress(content),
        _verdicts(content),
        f"<nav>{links}</nav>",
    ]
    for name, heading, text in sections:
        body += [f'<section id="{name}"><h2>{heading}</h2>', text, "</section>"]
    return web_page(words.title(content), STYLE, body)


def _sections(content: Content) -> list[tuple[str, str, str]]:
    """Anchor, heading and body; a body without anything is empty."""
    ran = content.finished_backbones
    failures = _table(tables.failures_table(content))
    flags = "".join(
        f"<code>{as_html(f'--{flag}={value}')}</code> " for flag, value in content.settings.items()
    )
    settings = f'<p class="flags">{flags}</p>' if flags else ""
    by_backbone = {
        name: [each(content, backbone) for backbone in ran]
        for name, each in {
            "figures": lambda content, each: tables.figures_table(content, each).html(),
            "differences": lambda content, each: _table(tables.differences_table(content, each)),
            "curves": lambda content, each: (
                f"<h3>{as_html(backbone_label(each))}</h3>"
                + figures.curves(content, each)
                + figures.discriminators(content, each)
            ),
            "alpha": figures.alphas,
            "genotypes": figures.genotypes,
            "overlays": lambda content, each: (
                f"<h3>{as_html(backbone_label(each))}</h3>" + figures.overlays(content, each)
            ),
        }.items()
    }
    stability, alpha = tables.stability_table(content), tables.alpha_table(content)
    return [
        (
            "table",
            "Figures",
            _with_notes(
                words.figures_notes(content),
                [*by_backbone["figures"], tables.setting_table(content).html() if ran else ""],
            ),
        ),
        (
            "differences",
            "Differences, case by case",
            _with_notes([words.DIFFERENCES], by_backbone["differences"]),
        ),
        ("curves", "Curves", _with_notes([], by_backbone["curves"])),
        (
            "alpha",
            "α over the search",
            _with_notes([words.ALPHA], [*by_backbone["alpha"], _table(alpha)]),
        ),
        (
            "genotypes",
            "Genotypes",
            _with_notes([words.STABILITY], [_table(stability), *by_backbone["genotypes"]]),
        ),
        ("overlays", "Overlays", _with_notes([words.OVERLAYS], by_backbone["overlays"])),
        (
            "cost",
            "What the search costs",
            _with_notes([words.COST], [_table(tables.cost_table(content))]),
        ),
        ("failures", "Failed runs", failures),
        ("settings", "Settings", _with_notes(words.versions_notes(content), [settings])),
    ]


def _with_notes(notes: list[str], bodies: list[str]) -> str:
    bodies = [body for body in bodies if body]
    if not bodies:
        return ""
    return "\n".join([*(f'<p class="quiet">{as_html(note)}</p>' for note in notes), *bodies])


def _table(table: Table) -> str:
    return table.html() if table.rows else ""


def _progress(content: Content) -> str:
    text = as_html(claims.progress(content))
    if len(content.results) < content.planned or content.failed:
        return f'<p class="unfinished"><strong>{text}</strong> {as_html(words.UNFINISHED)}</p>'
    return f"<p><strong>{text}</strong></p>"


def _verdicts(content: Content) -> str:
    if not content.results:
        return f"<p>{words.NOTHING}</p>"
    heads = "".join(
        f'<th scope="col">{as_html(backbone_label(backbone))}</th>'
        for backbone in content.backbones
    )
    rows = "\n".join(
        f'<tr><th scope="row">{as_html(claim.text)}'
        f"<span>{as_html(claims.sentence(content, claim))}</span></th>"
        + "".join(_verdict(content, backbone, claim) for backbone in content.backbones)
        + "</tr>"
        for claim in content.claims
    )
    blind = "".join(_against_blind(content, backbone) for backbone in content.backbones)
    rows += (
        f'\n<tr class="blind"><th scope="row">{as_html(BLIND_CLAIM)}'
        f"<span>{as_html(words.BLIND)}</span></th>{blind}</tr>"
    )
    return (
        f'<p class="overview">{as_html(claims.overview(content))}</p>\n'
        '<div class="wide"><table class="claims"><thead><tr>'
        f'<th scope="col">claim</th>{heads}</tr>'
        f"</thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
        f'<p class="quiet">{as_html(claims.GROUNDS)}</p>'
    )


def _verdict(content: Content, backbone: str, claim: Claim) -> str:
    verdict = content.verdicts[CLAIM_FIGURES[0], backbone, claim]
    others = (
        claims.without_background(content, backbone, claim),
        claims.paper_difference(content, backbone, claim),
    )
    quiet = "; ".join(text for text in others if text)
    difference, evidence = claims.difference(verdict), claims.evidence(verdict)
    return _badge_cell(verdict.verdict, difference, evidence, quiet)


def _against_blind(content: Content, backbone: str) -> str:
    found = claims.against_blind(content, backbone)
    return _badge_cell(found.verdict, "", found.evidence, found.others)


def _badge_cell(verdict: str, figure: str, evidence: str, quiet: str) -> str:
    kind = verdict.replace(" ", "-")
    return (
        f'<td><b class="badge {kind}">{claims.SIGNS[verdict]} {as_html(verdict)}</b>'
        f" <strong>{as_html(figure)}</strong><span>{as_html(evidence)}</span>"
        f'<span class="quiet">{as_html(quiet)}</span></td>'
    )
