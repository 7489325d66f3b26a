"""Write the Grafana dashboards of deploy/grafana from the panels below.

`python -m tools.make_dashboards` writes them; with `--check` it writes nothing and fails if one is out of date.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from tools.generated import write_or_check

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana"
_WIDTH, _HEIGHT = 8, 7  # of 24 columns
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: lines over time, or with `single` the latest number. `queries` are by legend."""

    title: str
    queries: dict[str, str]
    about: str = ""
    unit: str = "short"
    single: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


def _quantiles(metric: str, selector: str = "") -> dict[str, str]:
    rate = f"sum by (le) (rate({metric}_bucket{selector}[5m]))"
    return {f"p{share}": f"histogram_quantile(0.{share}, {rate})" for share in (50, 99)}


def _share(status: str, of: str) -> str:
    """Return by process how many of those with one status got another within a day."""
    one, other = (f'sum by (process) (increase(lapse_statuses_total{{status="{each}"}}[24h]))' for each in (status, of))
    return f"{one} / {other}"


_DEAD_LETTERS = " or ".join(
    f"sum by (topic, reason) (increase({metric}[15m])) > 0"
    for metric in ("lapse_dead_letters_total", "lapse_deliver_dead_letters_total")
)
_OUTCOMES = 'status=~"accepted|sent|delivered|read|failed"'

_REFUSALS = 'sum by (reason) (rate(lapse_sends_total{outcome=~"rejected|not_transmitted"}[5m])) > 0'

SRE = (
    Row(
        "Is it well?",
        (
            Panel("Processes that answer", {"up": 'sum(up{job=~".*lapse.*"})'}, single=True),
            Panel(
                "Nothing can be sent",
                {"{{reason}}": "max by (reason) (lapse_sending_blocked) == 1"},
                "The reasons, if any.",
                single=True,
            ),
            Panel("Versions", {"{{version}} {{roles}}": "count by (version, roles) (lapse_build_info)"}, single=True),
        ),
    ),
    Row(
        "Detect",
        (
            Panel(
                "Watermark delay",
                {"{{partition}}": "max by (partition) (lapse_watermark_delay_seconds)"},
                "Late is safe: reminders wait.",
                unit="s",
            ),
            Panel("Activities a second", {"{{outcome}}": "sum by (outcome) (rate(lapse_events_total[5m]))"}),
            Panel(
                "Brake",
                {"{{reason}}": "max by (reason) (lapse_brake_engaged)", "held lapses": "sum(lapse_held_lapses)"},
            ),
            Panel(
                "Partitions that stand still",
                {"refused": "sum(lapse_refused_partitions)", "distrusted": "sum(lapse_distrusted_partitions)"},
            ),
            Panel("Rows in memory", {"{{partition}}": "sum by (partition) (lapse_tracked_keys)"}),
            Panel("Commit", _quantiles("lapse_commit_seconds"), unit="s"),
            Panel("Lapse to reminder", _quantiles("lapse_lapse_to_reminder_seconds"), unit="s"),
            Panel(
                "Times of events behind their records'",
                {"{{partition}}": "max by (partition) (lapse_event_skew_seconds)"},
                "Whole hours are a forgotten time zone.",
                unit="s",
            ),
            Panel("Dead letters in 15 minutes", {"{{topic}} {{reason}}": _DEAD_LETTERS}),
        ),
    ),
    Row(
        "Deliver",
        (
            Panel(
                "Oldest due reminder", {"{{medium}}": "max by (medium) (lapse_oldest_due_reminder_seconds)"}, unit="s"
            ),
            Panel("Attempts a second", {"{{outcome}}": "sum by (outcome) (rate(lapse_sends_total[5m]))"}),
            Panel("Refusals a second", {"{{reason}}": _REFUSALS}),
            Panel(
                "Lapse to send, not held by a rule", _quantiles("lapse_lapse_to_send_seconds", '{held="no"}'), unit="s"
            ),
            Panel(
                "Circuit breakers that are not closed",
                {"{{channel}} {{state}}": 'max by (channel, state) (lapse_circuit_breaker_state{state!="closed"})'},
            ),
            Panel("In doubt", {"unknown": "max(lapse_unknown_sends)", "unresolved": "max(lapse_unresolved)"}),
            Panel(
                "Outbox",
                {"waiting": "max(lapse_outbox_backlog)", "refused, {{topic}}": "max by (topic) (lapse_outbox_refused)"},
            ),
            Panel(
                "Webhook reports a second", {"{{outcome}}": "sum by (outcome) (rate(lapse_webhook_reports_total[5m]))"}
            ),
            Panel(
                "Since the last webhook",
                {"seconds": "time() - max(lapse_last_webhook_timestamp_seconds > 0)"},
                single=True,
                unit="s",
            ),
            Panel(
                "Failed rounds in 5 minutes",
                {"{{part}} {{cause}}": "sum by (part, cause) (increase(lapse_part_errors_total[5m]))"},
            ),
            Panel(
                "Templates",
                {"{{template}} {{language}}": "min by (template, language) (lapse_template_usable)"},
                "1 if it can be sent.",
            ),
            Panel(
                "Newest contact", {"age": "time() - max(lapse_newest_contact_timestamp_seconds)"}, single=True, unit="s"
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Panel("Memory", {"{{instance}}": 'process_resident_memory_bytes{job=~".*lapse.*"}'}, unit="bytes"),
            Panel(
                "Processor time",
                {"{{instance}}": 'rate(process_cpu_seconds_total{job=~".*lapse.*"}[5m])'},
                unit="percentunit",
            ),
            Panel("Open files", {"{{instance}}": 'process_open_fds{job=~".*lapse.*"}'}),
        ),
    ),
)

BUSINESS = (
    Row(
        "Today",
        (
            Panel(
                "People who went quiet",
                {"24 h": 'sum(increase(lapse_lapses_total{outcome="asked"}[24h]))'},
                single=True,
            ),
            Panel(
                "Messages accepted", {"24 h": 'sum(increase(lapse_sends_total{outcome="accepted"}[24h]))'}, single=True
            ),
            Panel("Read", {"24 h": 'sum(increase(lapse_statuses_total{status="read"}[24h]))'}, single=True),
        ),
    ),
    Row(
        "From silence to the message",
        (
            Panel(
                "Went quiet, by process, an hour",
                {"{{process}} {{step}}": 'sum by (process, step) (increase(lapse_lapses_total{outcome="asked"}[1h]))'},
            ),
            Panel(
                "Accepted, by process, an hour",
                {"{{process}}": 'sum by (process) (increase(lapse_sends_total{outcome="accepted"}[1h]))'},
            ),
            Panel(
                "What became of messages, an hour",
                {"{{status}}": f"sum by (status) (increase(lapse_statuses_total{{{_OUTCOMES}}}[1h]))"},
            ),
            Panel("Delivered of accepted", {"{{process}}": _share("delivered", "accepted")}, unit="percentunit"),
            Panel("Read of delivered", {"{{process}}": _share("read", "delivered")}, unit="percentunit"),
            Panel(
                "By medium, an hour",
                {"{{medium}}": 'sum by (medium) (increase(lapse_statuses_total{status="accepted"}[1h]))'},
            ),
        ),
    ),
    Row(
        "Why not",
        (
            Panel(
                "Not sent, by reason, a day",
                {"{{reason}}": 'sum by (reason) (increase(lapse_suppressions_total{status="suppressed"}[24h])) > 0'},
            ),
            Panel(
                "No longer wanted, by reason, a day",
                {"{{reason}}": 'sum by (reason) (increase(lapse_suppressions_total{status="cancelled"}[24h])) > 0'},
                "People who came back or finished before the message.",
            ),
            Panel("Paused", {"{{process}}": "max by (process) (lapse_paused) == 1"}, "* is everything.", single=True),
        ),
    ),
    Row(
        "What was promised",
        (
            Panel(
                "Sent within 5 minutes",
                {"3 days": "1 - lapse:late_sends:ratio_rate3d", "1 hour": "1 - lapse:late_sends:ratio_rate1h"},
                "Objective: 99 %, of messages that no rule holds back.",
                unit="percentunit",
            ),
            Panel(
                "To people who had come back",
                {"3 days": "lapse:false_positives:ratio_rate3d", "1 hour": "lapse:false_positives:ratio_rate1h"},
                "Objective: below 0.1 %.",
                unit="percentunit",
            ),
            Panel(
                "Never reported on",
                {"3 days": "lapse:unreported:ratio_rate3d", "1 hour": "lapse:unreported:ratio_rate1h"},
                "Objective: below 1 %.",
                unit="percentunit",
            ),
        ),
    ),
)

DASHBOARDS = {"sre": ("Lapse: operation", SRE), "business": ("Lapse: reminders", BUSINESS)}


def make(uid: str, title: str, rows: Sequence[Row]) -> str:
    """Return a dashboard as JSON."""
    made = dashboard.Dashboard(title).uid(f"lapse-{uid}").tags(["lapse"]).time("now-6h", "now").refresh("30s")
    made = made.with_variable(dashboard.DatasourceVariable("datasource").type("prometheus").label("Prometheus"))
    numbers = count(1)
    for row in rows:
        made = made.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made = made.with_panel(_panel(panel).id(next(numbers)))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    made = stat.Panel() if panel.single else timeseries.Panel().min(0)
    made = made.title(panel.title).unit(panel.unit).datasource(_SOURCE).span(_WIDTH).height(_HEIGHT)
    if panel.about:
        made = made.description(panel.about)
    for letter, (legend, query) in zip(ascii_uppercase, panel.queries.items(), strict=False):
        made = made.with_target(prometheus.Dataquery().ref_id(letter).expr(query).legend_format(legend))
    return made


def main() -> int:
    files = {FOLDER / f"{name}.json": make(name, title, rows) for name, (title, rows) in DASHBOARDS.items()}
    return write_or_check(files, "tools.make_dashboards", __doc__)


if __name__ == "__main__":
    sys.exit(main())
