"""One sentence beside each plot, computed from the data: what it shows, and no more."""

from __future__ import annotations

from transports.bench.reporting.select import Figures, most_outstanding, paxos
from transports.bench.reporting.statistics import Interval
from transports.bench.reporting.words import few, rate, times, title, us

NOTHING = "Nothing was measured for this."
Ranked = list[tuple[str, Interval]]


def by_metric(figures: Figures, metric: str, outstanding: int) -> Ranked:
    """(layer, figure) of the rung `paxos` with the Python core, the least first."""
    found = [
        (layer, value)
        for layer in figures.layers()
        if (value := figures.interval(paxos(figures, layer, outstanding), metric))
    ]
    return sorted(found, key=lambda pair: pair[1].median)


def ladder(figures: Figures) -> str:
    """What the rungs of one layer add to one another."""
    for layer in ("tcp", "tcp-veth", *figures.layers()):
        echo = figures.interval(figures.find(layer, "echo"), "p50_us")
        quorum = figures.interval(figures.find(layer, "quorum"), "p50_us")
        decided = figures.interval(paxos(figures, layer), "p50_us")
        if echo and quorum and decided:
            share = 100 * (decided.median - quorum.median) / decided.median
            return (
                f"Over {title(layer)}, one command alone takes {us(decided.median)}: an echo takes "
                f"{us(echo.median)}, asking a quorum through this project's transports "
                f"{us(quorum.median)}, and deciding adds {us(decided.median - quorum.median)}, "
                f"{share:.0f} % of the whole."
            )
    return NOTHING


def latency(figures: Figures) -> str:
    """Which layer is quickest with one command, and whether that is more than noise."""
    ranked = by_metric(figures, "p50_us", 1)
    if len(ranked) < 2:
        return NOTHING
    (first, least), (second, _next), (last, most) = ranked[0], ranked[1], ranked[-1]
    between = figures.ratio(paxos(figures, first), paxos(figures, second), "p50_us")
    clear = "" if between is not None and between.excludes(1) else ", no more than noise before"
    joined = f"{title(first)} ({us(least.median)}){clear or ', before'} {title(second)}"
    return (
        f"With one command outstanding the least median is that of {joined}; "
        f"the largest is that of {title(last)}, {us(most.median)}."
    )


def throughput(figures: Figures) -> str:
    """Which layer carries most."""
    outstanding = most_outstanding(figures)
    ranked = by_metric(figures, "per_second", outstanding)
    if len(ranked) < 2:
        return NOTHING
    (last, least), (second, _next), (first, most) = ranked[0], ranked[-2], ranked[-1]
    best = paxos(figures, first, outstanding)
    ahead = figures.ratio(best, paxos(figures, second, outstanding), "per_second")
    span = figures.ratio(best, paxos(figures, last, outstanding), "per_second")
    clear = ahead is not None and ahead.excludes(1)
    tied = "" if clear else f", no more than noise before {title(second)}"
    carries = f"With {outstanding:,} outstanding {title(first)} carries most, {rate(most.median)}"
    if len(ranked) == 2 and not clear:
        return f"{carries}{tied}, {rate(least.median)}."
    beside = f"; {times(span)} what {title(last)} does" if span else f"; {title(last)} does"
    return f"{carries}{tied}{beside}, {rate(least.median)}."


def clients(figures: Figures) -> str:
    """What batching gives on TCP, or on whatever there is."""
    for layer in ("tcp", *figures.layers()):
        one = figures.interval(paxos(figures, layer, 1), "per_second")
        outstanding = most_outstanding(figures)
        many = figures.interval(paxos(figures, layer, outstanding), "per_second")
        if one and many and outstanding > 1:
            return (
                f"Over {title(layer)}, {outstanding:,} outstanding commands are done "
                f"{many.median / one.median:.0f} times as fast as one after the other: whatever "
                "a drain finds shares its frames and its system calls."
            )
    return NOTHING


def distribution(figures: Figures) -> str:
    """How far the tail is from the middle."""
    found = [
        (layer, p99.median / p50.median)
        for layer in figures.layers()
        if (cell := paxos(figures, layer))
        and (p50 := figures.interval(cell, "p50_us"))
        and (p99 := figures.interval(cell, "p99_us"))
    ]
    if not found:
        return NOTHING
    found.sort(key=lambda pair: pair[1])
    (steady, least), (wild, most) = found[0], found[-1]
    return (
        f"The 99th percentile is {least:.1f} times the median over {title(steady)} and "
        f"{most:.1f} times over {title(wild)}; all processes share this machine's processors."
    )


def parts(figures: Figures) -> str:
    """What most of a node's work is."""
    for layer in ("tcp", *figures.layers()):
        cell = paxos(figures, layer)
        found = figures.parts_us(cell) if cell else {}
        found.pop("idle", None)
        if total := sum(found.values()):
            order = sorted(found, key=lambda part: -found[part])
            first, second = order[0], order[1]
            return (
                f"Over {title(layer)}, with one outstanding, the nodes work {us(total)} for a "
                f"command: {100 * found[first] / total:.0f} % of it is {first}, "
                f"{100 * found[second] / total:.0f} % {second}."
            )
    return NOTHING


def processors(figures: Figures) -> str:
    """User space against the system."""
    for layer in ("tcp", *figures.layers()):
        cell = paxos(figures, layer)
        user, system = figures.interval(cell, "user_us"), figures.interval(cell, "system_us")
        softirq = figures.interval(cell, "softirq_us")
        if user and system and softirq:
            return (
                f"Over {title(layer)} one command alone takes {us(user.median)} of processor time "
                f"in user space and {us(system.median)} in the system, all processes together; "
                f"softirqs of the whole machine took {us(softirq.median)}, which are in no "
                "process's account, or in that of whichever was running."
            )
    return NOTHING


def calls(figures: Figures) -> str:
    """System calls and switches, alone and together."""
    outstanding = most_outstanding(figures)
    for layer in ("tcp", *figures.layers()):
        alone, many = (figures.calls_per_command(layer, n) for n in (1, outstanding))
        voluntary = figures.interval(paxos(figures, layer), "voluntary_switches")
        if alone and many and voluntary:
            return (
                f"Over {title(layer)} one command alone costs {few(alone)} system calls and "
                f"{few(voluntary.median)} voluntary context switches; with {outstanding:,} "
                f"outstanding it is {few(many)} calls."
            )
    voluntary = figures.interval(paxos(figures, "tcp"), "voluntary_switches")
    if voluntary:
        return (
            f"Over TCP one command alone costs {few(voluntary.median)} voluntary context switches; "
            "system calls were not counted in this run."
        )
    return NOTHING


def failover(figures: Figures) -> str:
    """How long nobody was answered."""
    pauses = sorted((f.pause_seconds, f.layer) for f in figures.failovers)
    if not pauses:
        return "No leader was killed in this run."
    (least, first), (most, last) = pauses[0], pauses[-1]
    said = f"Until the next answer it took {least:.2f} s over {title(first)}"
    if most < 3 * least:
        return (
            f"{said} and at most {most:.2f} s, over {title(last)}, one kill each: nothing that "
            "tells a layer from an election's luck."
        )
    return f"{said} and {most:.2f} s over {title(last)}, one kill each."


def cores(figures: Figures) -> str:
    """C against Python under the same driver."""
    found = []
    for layer in figures.layers():
        ours = figures.find(layer, "paxos", "c")
        value = figures.ratio(ours, paxos(figures, layer), "p50_us")
        if value is not None:
            found.append((layer, value))
    if not found:
        return NOTHING
    layer, value = min(found, key=lambda pair: pair[1].median)
    verdict = "less than noise" if not value.excludes(1) else "more than noise"
    said = (
        f"Under the Python node the C core makes one command alone take {times(value)} what it "
        f"takes with Python's, over {title(layer)}, where it gains most: {verdict}."
    )
    plain = figures.interval(figures.find("ethernet-veth", "paxos", "plain-c"), "p50_us")
    if plain is not None:
        said += (
            f" In a plain C loop, with the client in the leader, it takes {us(plain.median)}: "
            "most of the rest is the price of Python."
        )
    return said


def table_one(figures: Figures) -> str:
    """What leaving IP gains, here and there."""
    udp = figures.find("udp-veth", "echo", outstanding=64) or figures.find("udp-veth", "echo")
    raw = figures.find("ethernet-veth", "echo", outstanding=64) or figures.find(
        "ethernet-veth", "echo"
    )
    value = figures.ratio(raw, udp, "per_second")
    if value is None:
        return NOTHING
    return (
        f"In user space, raw Ethernet echoes {times(value)} as many messages as UDP over the same "
        "veth; the paper has 2.65 x, in C on real cards, where less of an echo is the program's "
        "own work."
    )


def peers(figures: Figures) -> str:
    """Ours beside the nearest peer."""
    ours = figures.find("tcp", "durable", "python", outstanding=1024)
    best = max(
        (
            cell
            for cell in figures.samples
            if figures.cells[cell].layer == "etcd" and figures.cells[cell].rung == "durable"
        ),
        key=lambda cell: figures.interval(cell, "per_second").median,  # type: ignore[union-attr]
        default=None,
    )
    value = figures.ratio(ours, best, "per_second")
    if value is None:
        return "No peer was measured in this run."
    return f"Durable, over TCP, with 1,024 outstanding: {times(value)} the best rate of etcd."
