"""One page that holds everything: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from transports.bench.reporting import notes, tables
from transports.bench.reporting.select import Figures
from transports.bench.reporting.sentences import NOTHING
from transports.bench.reporting.tables import Table

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
  --line: #c9ced6; --band: #f3f5f8; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3acb8; --paper: #14171c;
  --line: #3d444d; --band: #1d2229; --link: #79b8ff; } }
@media print { :root { --ink: #000; --soft: #333; --paper: #fff; --line: #bbb; --band: #fff;
  --link: #000; } nav { display: none } figure, table { break-inside: avoid } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; border-top: 1px solid var(--line);
  padding-top: 1.2rem }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem }
p, li { max-width: 46rem } a { color: var(--link) }
.soft { color: var(--soft) } .lead { font-size: 1.1rem }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0;
  margin: 1rem 0 }
figure { margin: 1.8rem 0 } figure svg { display: block; width: 100%; height: auto }
figcaption p { margin: .2rem 0 .8rem }
.scroll { overflow-x: auto } .scroll:focus-visible { outline: 2px solid var(--link) }
table { border-collapse: collapse; font-size: .88rem; width: 100%;
  font-variant-numeric: tabular-nums }
.scroll + .scroll { margin-top: 1.6rem }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: baseline }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
td { white-space: nowrap } td small { display: block; color: var(--soft); font-size: .82em }
.words th, .words td { text-align: left; white-space: normal }
tbody tr:nth-child(even) { background: var(--band) } thead th { border-bottom: 2px solid }
code, pre { font: .88em ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--band); padding: .7rem .9rem; white-space: pre-wrap }
details { margin: .6rem 0 } summary { cursor: pointer }
.yes::before { content: "\\2713 " } .no::before { content: "\\2717 " }
""".strip()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as the page has it."""

    name: str
    heading: str
    sentence: str
    svg: str


@dataclass(frozen=True, slots=True)
class Part:
    """One run: the machine's own, or one inside the emulated machine."""

    figures: Figures
    drawings: Sequence[Drawing]
    prefix: str = ""


def page(host: Part, vm: Part | None) -> str:
    """The whole document."""
    head = host.figures.saved.head
    body = [
        "<header>",
        "<h1>What each layer costs</h1>",
        f'<p class="soft">pluggable-paxos, {escape(head.began[:10])}, '
        f"{escape(head.machine.get('processor', 'an unknown processor'))}, "
        f"{escape(head.machine.get('kernel', ''))}</p>",
        "</header>",
        _nav(host, vm),
        "<main>",
        _answer(host),
        *_plots(host),
        _rest(host),
    ]
    if vm is not None:
        body.append(_inside(vm))
    body.append("</main>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>What each layer costs</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _nav(host: Part, vm: Part | None) -> str:
    links = [("answer", "The answer"), ("plots", "Plots"), ("peers", "Peers"), ("aims", "Aims")]
    links += [("missing", "What is missing"), ("method", "Method"), ("cells", "All figures")]
    if vm is not None:
        links.append(("vm", "In the kernel"))
    items = "".join(f'<li><a href="#{where}">{text}</a></li>' for where, text in links)
    return f'<nav aria-label="On this page"><ul>{items}</ul></nav>'


def _answer(part: Part) -> str:
    said = [
        d.sentence
        for d in part.drawings
        if d.name.endswith(("ladder", "throughput")) and d.sentence != NOTHING
    ]
    return (
        f'<section id="{part.prefix}answer"><p class="lead">{escape(" ".join(said))}</p>'
        + _table(tables.layers(part.figures))
        + _table(tables.rungs(part.figures))
        + '<p class="soft">Alone: one command outstanding, from submission to result. Processor '
        "time, system calls and voluntary context switches are for one command alone, of all "
        "nodes and the client together. To TCP: on the same link.</p></section>"
    )


def _plots(part: Part) -> list[str]:
    out = [f'<section id="{part.prefix}plots"><h2>Plots</h2>']
    for drawing in part.drawings:
        out.append(
            f'<figure id="{drawing.name}"><figcaption><h3>{escape(drawing.heading)}</h3>'
            f"<p>{escape(drawing.sentence)}</p></figcaption>{drawing.svg}</figure>"
        )
    out.append("</section>")
    return out


def _rest(part: Part) -> str:
    figures, prefix = part.figures, part.prefix
    peers = tables.peers(figures)
    beside = _table(peers) if peers.rows else "<p>None was measured: give --peers.</p>"
    aims = tables.aims(figures)
    out = [
        f'<section id="{prefix}peers"><h2>Peers</h2>{beside}</section>',
        f'<section id="{prefix}aims"><h2>Aims</h2>{_table(aims, words=True)}</section>',
        f'<section id="{prefix}missing"><h2>What is missing</h2>',
        _list("Left out here", notes.skipped(figures), "Every layer of the plan ran."),
        _list("Without a figure", notes.failures(figures), "Every measurement gave a figure."),
        _list("Outliers", notes.odd(figures), "No repeat is far from the others."),
        f'</section><section id="{prefix}method"><h2>Method</h2>',
        _facts(notes.method(figures)),
        f'</section><section id="{prefix}cells"><h2>All figures</h2>',
        "<details><summary>Every cell</summary>",
        _table(tables.cells(figures)),
        "</details><p>The same as data: <code>data.csv</code> (every repeat), "
        "<code>medians.csv</code>, <code>data.json</code>, "
        "<code>histograms/</code> beside this page.</p></section>",
    ]
    return "\n".join(out)


def _inside(vm: Part) -> str:
    return (
        '<section id="vm"><h2>In the kernel: inside an emulated machine</h2>'
        "<p>All layers again, inside the same emulated machine as the kernel module, because a "
        "module may not be loaded everywhere. Emulation makes everything slower, and system calls "
        "more so: compare these figures with one another, never with those above.</p>"
        + _answer(vm)
        + "\n".join(_plots(vm))
        + _rest(vm)
        + "</section>"
    )


def _table(table: Table, *, words: bool = False) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.head)
    rows = "".join(_row(row) for row in table.rows)
    kind = ' class="words"' if words else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}">'
        f"<table{kind}><caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(row: Iterable[str]) -> str:
    first, *rest = row
    cells = "".join(_cell(text) for text in rest)
    return f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("yes", "no") else ""
    # An interval stands below its median, smaller.
    figure, bracket, rest = text.partition(" (")
    if bracket and " to " in rest:
        return f"<td{kind}>{escape(figure)}<small>{escape(rest.rstrip(')'))}</small></td>"
    return f"<td{kind}>{escape(text)}</td>"


def _list(heading: str, lines: Sequence[str], nothing: str) -> str:
    if not lines:
        return f"<h3>{heading}</h3><p>{nothing}</p>"
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h3>{heading}</h3><ul>{items}</ul>"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts
    )
    return (
        f'<table class="words"><caption>How it was measured</caption><tbody>{rows}</tbody></table>'
    )
