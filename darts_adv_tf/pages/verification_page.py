"""The page that the verify command writes: one HTML file with its pictures inside."""

import base64
from collections.abc import Mapping, Sequence

from matplotlib.colors import to_hex

from darts_adv_tf.data.data_issue import KINDS, DataIssue
from darts_adv_tf.data.inspection import Inspection
from darts_adv_tf.pages.web_page import as_html, web_page
from darts_adv_tf.plots.overlays import class_colours
from darts_adv_tf.plots.verification_images import Figure
from darts_adv_tf.terminal.verification_table import summary, verdict

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: .35rem .8rem .35rem 0; text-align: left;
         vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.cases { width: 100%; }
.cases th[scope=row] { font-weight: 600; overflow-wrap: anywhere; width: 15rem; }
ul { margin: 0 0 .5rem; padding-left: 1.1rem; }
.kind { border: 1px solid currentColor; border-radius: .3rem; padding: 0 .35rem; font-size: .85rem;
        white-space: nowrap; }
.fatal { color: #a4160c; } .warning { color: #6b4e00; } .clean { color: #14622c; }
figure { display: inline-block; margin: 0 .6rem .4rem 0; vertical-align: top; }
figcaption { font-size: .85rem; max-width: 288px; overflow-wrap: anywhere; }
.organ { display: inline-block; margin-right: 1rem; }
.organ i { display: inline-block; width: 1.4rem; height: .35rem; margin-right: .35rem;
           vertical-align: middle; background: currentColor; }
.legend { background: #333; color: #fff; padding: .3rem .7rem; border-radius: .3rem;
          display: inline-block; }
"""


def verification_page(
    inspection: Inspection,
    settings: Mapping[str, str],
    figures: Mapping[str, Sequence[Figure]],
) -> str:
    """The page, in UTF-8, which loads nothing from elsewhere and runs no script.

    Args:
        inspection: What was found.
        settings: Values of flags, by name.
        figures: The pictures of cases, by name; a case without an entry is shown without any.
    """
    by_case = inspection.issues_by_case()
    body = [
        _verdict(inspection),
        "<p><code>"
        + " ".join(as_html(f"--{flag}={value}") for flag, value in settings.items())
        + "</code></p>",
        _table(summary(inspection)),
        "<h2>Issues by kind</h2>",
        _kinds(inspection),
        "<h2>Cases, the worst first</h2>",
        _organs(inspection.collection.class_names),
        '<table class="cases">',
        *(_case(case, issues, figures.get(case)) for case, issues in by_case.items()),
        "</table>",
    ]
    return web_page(f"Verification of {inspection.collection.name}", _STYLE, body)


def _verdict(inspection: Inspection) -> str:
    if inspection.fatal_issues:
        style = "fatal"
    else:
        style = "warning" if inspection.suspected_leaks else "clean"
    return f'<p class="{style}"><strong>{as_html(verdict(inspection))}</strong></p>'


def _table(rows: Mapping[str, str]) -> str:
    cells = (
        f'<tr><th scope="row">{as_html(name)}</th><td>{as_html(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f'<table class="summary">{"".join(cells)}</table>'


def _kinds(inspection: Inspection) -> str:
    counts = inspection.cases_by_kind()
    if not counts:
        return "<p>None.</p>"
    rows = (
        f"<tr><td>{_badge(kind, is_fatal)}</td>"
        f'<td class="number">{count}</td><td>{"yes" if is_fatal else "no"}</td>'
        f"<td>{as_html(KINDS[kind])}</td></tr>"
        for (kind, is_fatal), count in counts.items()
    )
    head = "<tr><th>kind</th><th>cases</th><th>fatal</th><th>meaning</th></tr>"
    return f'<table class="kinds">{head}{"".join(rows)}</table>'


def _organs(class_names: Sequence[str]) -> str:
    colours = class_colours(len(class_names))
    organs = (
        f'<span class="organ" style="color: {to_hex(colour)}"><i></i>{as_html(name)}</span>'
        for name, colour in zip(class_names[1:], colours, strict=True)
    )
    return f'<p class="legend">{"".join(organs)}</p>'


def _case(case: str, issues: Sequence[DataIssue], figures: Sequence[Figure] | None) -> str:
    told = "".join(
        f"<li>{_badge(issue.kind, issue.is_fatal)} {as_html(issue.message)}</li>"
        for issue in issues
    )
    pictures = "".join(_figure(figure) for figure in figures or ())
    if figures is None:
        pictures = "<p>Without pictures, since the page has those of the worst cases alone.</p>"
    name = as_html(case) if case else "the whole data set"
    return f'<tr><th scope="row">{name}</th><td><ul>{told}</ul>{pictures}</td></tr>'


def _figure(figure: Figure) -> str:
    content = base64.b64encode(figure.jpeg).decode("ascii")
    caption = as_html(figure.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{content}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _badge(kind: str, is_fatal: bool) -> str:
    return f'<span class="kind {"fatal" if is_fatal else "warning"}">{as_html(kind)}</span>'
