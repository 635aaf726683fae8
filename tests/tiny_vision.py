"""A network with ResNet's parts and a data set, both small enough for tests."""

import numpy as np
import torch
from torch import nn

from ptft.vision.data import Images
from ptft.vision.experiment import Study
from ptft.vision.plan import PRESETS, Plan, one_at_a_time
from ptft.vision.training import Recipe


class Tiny(nn.Module):
    """Stem, four stages and classifier, named as in torchvision's ResNet."""

    def __init__(self, n_classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.relu, self.maxpool = nn.LeakyReLU(), nn.MaxPool2d(2)  # no features die
        for i in range(4):
            stage = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.LeakyReLU())
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, n_classes)

    def forward(self, images):
        """Return the outputs."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def tiny(n_classes, seed=0):
    """Return a tiny network as it is initialised from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Tiny(n_classes)


def colours(n_classes=6, per_class=(12, 6), size=8):
    """Return noisy images whose class is their colour."""
    rng = np.random.default_rng(1)
    means = rng.uniform(40, 215, (n_classes, 3, 1, 1))
    arrays = []
    for n in per_class:
        labels = np.tile(np.arange(n_classes), n)
        noise = rng.normal(0, 20, (len(labels), 3, size, size))
        arrays += [np.clip(means[labels] + noise, 0, 255).astype(np.uint8), labels]
    return Images("colours", *arrays, classes=tuple("abcdefghijkl"[:n_classes]))


def plan(**changes):
    """Return a plan of seconds: two splits, two pairs each, two pretrained networks a split."""
    defaults = {
        "settings": one_at_a_time(kappa=(0.5,), gamma=(8.0,), d=(0.5,)),
        "samples": (5,),
        "n_splits": 2,
        "n_held_out": 3,
        "n_pairs": 2,
        "per_class": (10, 6),
        "pretraining": Recipe(learning_rate=0.05, batch=16, max_epochs=2),
        "fine_tuning": Recipe(learning_rate=0.05, max_epochs=3),
    }
    return Plan(**(defaults | changes))


def use_tiny(monkeypatch, small):
    """Make the preset `smoke` another plan, on a tiny network."""
    monkeypatch.setitem(PRESETS, "smoke", small)
    options = Study.__init__.__kwdefaults__ | {"network": tiny}
    monkeypatch.setattr(Study.__init__, "__kwdefaults__", options)
