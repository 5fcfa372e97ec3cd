"""A run as one page: curves, recipe, environment, scores and samples."""

from keras_attn.training.runs.report_page import report_html
from keras_attn.training.runs.run_record import RunRecord, read_run

__all__ = ["RunRecord", "read_run", "report_html"]
