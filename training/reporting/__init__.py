"""A run as one page: curves, recipe, environment, scores and samples."""

from training.reporting.page import report_html
from training.reporting.run_record import RunRecord, read_run

__all__ = ["RunRecord", "read_run", "report_html"]
