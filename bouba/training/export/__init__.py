"""torch modules -> a model folder that runs on ONNX Runtime, compared with what it came from."""

from bouba.training.export.append import HeadFacts, with_heads
from bouba.training.export.folder import ModelFacts, write_model
from bouba.training.export.graph import export_graph
from bouba.training.export.parity import Parity, Reference, check_parity, torch_reference
from bouba.training.export.precision import PRECISIONS, Precision

__all__ = [
    "PRECISIONS",
    "HeadFacts",
    "ModelFacts",
    "Parity",
    "Precision",
    "Reference",
    "check_parity",
    "export_graph",
    "torch_reference",
    "with_heads",
    "write_model",
]
