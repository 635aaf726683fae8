"""What a network's features look like, before and after fine-tuning (Appendix D, Figs. 6-9).

With the second moments C = F' F / n of features F, of shape (n_samples, n_features),

    PR(C) = tr(C)^2 / tr(C^2)
    ENSD(C1, C2) = tr(C1) tr(C2) tr(C1 C2) / (tr(C1^2) tr(C2^2))

are the participation ratio (Gao et al., 2017) and the effective number of shared dimensions
(Giaffar et al., 2024). PR counts the dimensions that carry variance, ENSD(C, C) = PR(C), and ENSD
of features on orthogonal subspaces is 0. The paper does not say whether features are centred;
published code for this family of experiments does not centre, and neither is it done here unless
asked: then C is the covariance.

Batch normalisation in evaluation uses running averages of what training saw. They lag: after ten
steps with momentum 0.1 a third of them is still pretraining's, and scaling the weights (d) changes
what they should be without changing them. So everything is measured twice: with the `running`
statistics, and with statistics `reestimated` from the fine-tuning samples by one pass of the
finished network over them.
"""

import copy

import numpy as np

from ..errors import needs
from . import model as networks
from .training import batches, normalised

with needs("vision"):
    import torch

__all__ = [
    "STATISTICS",
    "examine",
    "moments",
    "participation_ratio",
    "reestimated",
    "shared_dimensions",
]

STATISTICS = ("running", "reestimated")
"""Names of the two treatments of batch normalisation."""


def moments(features, centred=False):
    """Return the matrix of second moments of features.

    Parameters
    ----------
    features : array, shape (n_samples, n_features)
    centred : bool
        Whether the mean is subtracted.

    Returns
    -------
    array, shape (n_features, n_features)
        In double precision.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or not features.size:
        raise ValueError(f"features must have shape (n_samples, n_features), got {features.shape}")
    if centred:
        features = features - features.mean(axis=0)
    return features.T @ features / len(features)


def participation_ratio(C):
    """Return PR(C), between 1 and the rank of C; NaN for C = 0.

    Parameters
    ----------
    C : array, shape (n_features, n_features)
        Symmetric, positive semidefinite; as from `moments`.
    """
    return shared_dimensions(C, C)


def shared_dimensions(C1, C2):
    """Return ENSD(C1, C2); NaN if C1 or C2 is 0.

    Parameters
    ----------
    C1, C2 : array, shape (n_features, n_features)
        Symmetric, positive semidefinite, of the same features on the same samples.
    """
    if np.ndim(C1) != 2 or np.shape(C1) != np.shape(C2):
        shapes = f"{np.shape(C1)} and {np.shape(C2)}"
        raise ValueError(f"C1 and C2 must be square and of the same shape, got {shapes}")
    scale = np.vdot(C1, C1) * np.vdot(C2, C2)  # tr(A B) is the sum of products of entries
    if not scale > 0.0:
        return float("nan")
    return float(np.trace(C1) * np.trace(C2) * np.vdot(C1, C2) / scale)


def reestimated(model, images, batch=128):
    """Return a copy of a network whose running statistics are those of given images.

    Parameters
    ----------
    model : torch.nn.Module
    images : tensor of uint8, shape (n_images, 3, height, width)
        At least two. Statistics of several batches are averaged.
    batch : int

    Returns
    -------
    torch.nn.Module
        Its parameters are the model's, to the last bit.
    """
    model = copy.deepcopy(model).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average over batches
    with torch.no_grad():
        for index in batches(torch.arange(len(images), device=images.device), batch):
            model(normalised(images[index]))
    return model.eval()


def examine(model, images, batch=500):
    """Return a network's outputs and features in evaluation mode.

    Parameters
    ----------
    model : torchvision.models.ResNet
    images : tensor of uint8, shape (n_images, 3, height, width)
    batch : int

    Returns
    -------
    outputs : array, shape (n_images, n_classes)
    features : dict of str to array, shape (n_images, n_channels)
        As from `model.stages`.
    """
    training = model.training
    model.eval()
    with torch.no_grad():
        parts = [networks.stages(model, normalised(part)) for part in images.split(batch)]
    model.train(training)
    outputs = torch.cat([part[0] for part in parts]).float().cpu().numpy()
    features = {
        name: torch.cat([part[1][name] for part in parts]).float().cpu().numpy()
        for name in parts[0][1]
    }
    return outputs, features
