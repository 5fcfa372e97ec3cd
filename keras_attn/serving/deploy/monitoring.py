"""What Prometheus collects, and a Grafana dashboard that shows it."""

from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.deploy.server_files import METRICS_PATH

__all__ = ["dashboard", "scraping"]

_PREFIX = ":tensorflow:serving:"
_PANEL_HEIGHT = 8  # of Grafana's grid, which is 24 wide


def scraping(options: DeployOptions) -> dict:
    """Returns the contents of `prometheus.yml`."""
    target = f"{options.name}:{options.rest_port}"
    return {
        "global": {"scrape_interval": "15s"},
        "scrape_configs": [
            {
                "job_name": options.name,
                "metrics_path": METRICS_PATH,
                "static_configs": [{"targets": [target]}],
            }
        ],
    }


def dashboard(options: DeployOptions) -> dict:
    """Returns a dashboard that Grafana imports; it asks for the data source."""
    model = f'model_name="{options.name}"'
    requests = f"{_PREFIX}request_count"
    failed = f'rate({requests}{{{model},status!="OK"}}[$__rate_interval])'
    asked = f"rate({requests}{{{model}}}[$__rate_interval])"
    panels = [
        (
            "Requests by status",
            "reqps",
            f"sum by (status) ({asked})",
            "{{status}}",
        ),
        (
            "Share of failed requests",
            "percentunit",
            f"sum({failed}) / sum({asked})",
            "failed",
        ),
        _quantile("Request time, median", 0.5, "request_latency", model),
        _quantile("Request time, 99 of 100", 0.99, "request_latency", model),
        _quantile("Model's run, 99 of 100", 0.99, "runtime_latency", model),
        _quantile(
            "Wait for a batch, 99 of 100", 0.99, "batching_session:queuing_latency", ""
        ),
    ]
    return {
        "title": f"Translator {options.name}",
        "uid": f"keras-attn-{options.name}"[:40],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, *each) for number, each in enumerate(panels)],
    }


def _quantile(title, quantile, metric, matcher):
    rate = f"rate({_PREFIX}{metric}_bucket{{{matcher}}}[$__rate_interval])"
    query = f"histogram_quantile({quantile}, sum by (le) ({rate}))"
    return title, "µs", query, f"{quantile:.0%}"


def _panel(number, title, unit, query, legend):
    row, column = divmod(number, 2)
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"h": _PANEL_HEIGHT, "w": 12, "x": 12 * column, "y": 8 * row},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": source,
                "expr": query,
                "legendFormat": legend,
            }
        ],
    }
