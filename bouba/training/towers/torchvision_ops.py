"""Importing torchvision where its compiled half does not fit the torch beside it."""

from __future__ import annotations

import importlib
import sys
from typing import Any, cast

from bouba.errors import TrainingError

# What torchvision's `_meta_registrations` describes to torch unconditionally; everything else it guards itself.
_DESCRIBED = ("nms", "qnms")
_declared: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


def import_torchvision() -> None:
    """Make `import torchvision` work before timm, open_clip or transformers try it.

    The wheels on PyPI are built against torch for GPUs. Beside a CPU build of torch their compiled operators cannot
    be loaded, which torchvision tolerates, except that it then describes the shapes of two of them: "operator
    torchvision::nms does not exist". Declaring those two, without an implementation, is enough: they belong to object
    detection, and the libraries here import torchvision for picture transforms, which bouba does not use either. A
    torchvision that works is left as it is. Raises TrainingError where it is missing or does not fit at all.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError:
        raise TrainingError("torchvision is not installed: pip install 'bouba[train]'.") from None
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise TrainingError(_misfit(error)) from error
        _declare_missing()
        _import_again()


def _declare_missing() -> None:
    import torch

    library: Any = cast(Any, torch.library).Library("torchvision", "FRAGMENT")
    for name in _DESCRIBED:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def _import_again() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left behind
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        raise TrainingError(_misfit(error)) from error


def _misfit(error: Exception) -> str:
    return (
        f"The installed torchvision does not fit the installed torch ({error}): install the pair that belongs together."
    )
