"""The plots. Each takes the figures of one run and gives a drawing, or None without data."""

from transports.bench.reporting.plots.bars import calls, cores, parts, peers, processors
from transports.bench.reporting.plots.heat import table_one
from transports.bench.reporting.plots.ladder import ladder
from transports.bench.reporting.plots.lines import clients, distribution, throughput
from transports.bench.reporting.plots.timeline import failover

__all__ = [
    "calls",
    "clients",
    "cores",
    "distribution",
    "failover",
    "ladder",
    "parts",
    "peers",
    "processors",
    "table_one",
    "throughput",
]
