"""torchvision, imported through here, also where its wheel does not fit torch.

torchvision's wheels link CUDA. Beside a build of torch for the CPU its compiled operators are then
missing, and the import stops where it describes two of them. Declaring these two is enough for
models, data sets and transforms, which are plain Python; calling either still fails.
"""

from ..errors import needs

with needs("vision"):
    import torch

_MISSING = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

with needs("vision"):
    try:
        import torchvision
    except RuntimeError:
        _library = torch.library.Library("torchvision", "FRAGMENT")  # undeclared when collected
        for _operator in _MISSING:
            if not hasattr(torch.ops.torchvision, _operator.partition("(")[0]):
                _library.define(_operator)
        import torchvision

__all__ = ["torchvision"]
