"""Judge rollouts against a reference: metrics, figures and a report, from one call."""

from napari_eldyn.evaluation.inputs import Candidate, Inputs, open_inputs
from napari_eldyn.evaluation.judge import Evaluation, evaluate
from napari_eldyn.evaluation.output import check_output, write_evaluation
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.evaluation.table import metrics_table

__all__ = [
    "Candidate",
    "Evaluation",
    "Inputs",
    "Stages",
    "check_output",
    "evaluate",
    "metrics_table",
    "open_inputs",
    "write_evaluation",
]
