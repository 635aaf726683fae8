"""ResNet-18 and the four multipliers that stand for the theory's parameters (Section 6, App. D).

The network is torchvision's `resnet18(num_classes=100)`, unchanged, so with the stem made for large
images: a 7x7 convolution of stride 2 and a max-pooling. At 32x32 the four stages then see 8x8, 4x4,
2x2 and 1x1 positions.

========== ======================================= ================================================
multiplier applied                                 to the parameters of
========== ======================================= ================================================
kappa      at initialisation, before pretraining   `conv1`, `bn1` (the stem), `layer1`-`layer3`
c          at initialisation, before pretraining   everything
gamma      after pretraining, before fine-tuning   `fc`, weight and bias (the classifier)
d          after pretraining, before fine-tuning   everything
========== ======================================= ================================================

"Parameters" are what the optimiser changes. The paper scales "all network parameters" (c), "the
embedding layer and the first three residual stages" (kappa), "the parameters of the final
classification layer" (gamma) and "all network weights" (d), and says nothing of batch
normalisation. By default its weights and biases count as parameters of their stage, the literal
reading; with `norm=False` they keep their values, and convolutions and classifier alone are scaled.
Running means and variances are statistics, not parameters, and are never scaled. What that does to
a network whose weights have just been scaled is in `representation`.
"""

from .. import errors
from ._torchvision import torchvision

with errors.needs("vision"):
    import torch

__all__ = ["MULTIPLIERS", "STAGES", "multiply", "resnet", "scaled_parameters", "stages"]

_EVERYTHING = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")
MULTIPLIERS = {
    "kappa": _EVERYTHING[:5],
    "c": _EVERYTHING,
    "gamma": ("fc",),
    "d": _EVERYTHING,
}
"""The submodules whose parameters each multiplier scales."""

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
"""Where representations are measured."""


def resnet(n_classes=100, seed=0):
    """Return torchvision's ResNet-18 as it is initialised from a seed.

    Parameters
    ----------
    n_classes : int
        Number of outputs; the published recipe has 100 also where 98 classes are trained.
    seed : int

    Returns
    -------
    torchvision.models.ResNet
        On the CPU, in training mode. The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torchvision.models.resnet18(weights=None, num_classes=n_classes)


def scaled_parameters(model, name, norm=True):
    """Return the parameters that a multiplier scales, by name.

    Parameters
    ----------
    model : torch.nn.Module
        With submodules named as in torchvision's ResNet.
    name : str
        One of `MULTIPLIERS`.
    norm : bool
        Whether weights and biases of batch normalisation are among them.

    Returns
    -------
    dict of str to torch.nn.Parameter
    """
    errors.choice("multiplier", name, MULTIPLIERS)
    found = {}
    for path, module in model.named_modules():
        mine = path.partition(".")[0] in MULTIPLIERS[name]
        if mine and (norm or not isinstance(module, torch.nn.BatchNorm2d)):
            for leaf, parameter in module.named_parameters(prefix=path, recurse=False):
                found[leaf] = parameter
    return found


def multiply(model, name, factor, norm=True):
    """Scale a network's parameters in place by one of the multipliers.

    Parameters
    ----------
    model, name, norm
        As for `scaled_parameters`.
    factor : float
        Larger than 0; for gamma, 0 is allowed. 1 leaves the network as it is, to the last bit.
    """
    factor = errors.number(name, factor, 0.0, open_low=name != "gamma")
    with torch.no_grad():
        for parameter in scaled_parameters(model, name, norm).values():
            parameter.mul_(factor)


def stages(model, images):
    """Return outputs and, stage by stage, the representation of some images.

    Parameters
    ----------
    model : torchvision.models.ResNet
    images : tensor, shape (n_images, 3, height, width)
        Normalised.

    Returns
    -------
    outputs : tensor, shape (n_images, n_classes)
    features : dict of str to tensor, shape (n_images, n_channels)
        For each of `STAGES`, each channel's mean over positions. For `layer4` these are what the
        classifier sees.
    """
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    features = {"stem": x.mean((2, 3))}
    for name in STAGES[1:]:
        x = getattr(model, name)(x)
        features[name] = x.mean((2, 3))
    return model.fc(torch.flatten(model.avgpool(x), 1)), features
