"""Multipliers, representation measures and training: what they must do on any network."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_vision import colours, tiny

from ptft.vision import model, representation, training
from ptft.vision.model import MULTIPLIERS, multiply, resnet, scaled_parameters, stages
from ptft.vision.representation import moments, participation_ratio, shared_dimensions
from ptft.vision.training import Recipe

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def net():
    """Return a ResNet-18 whose batch normalisation is not that of initialisation."""
    found = resnet(seed=3)
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if ".bn" in f".{name}" or "downsample.1" in name:
                parameter.add_(0.1)
    return found


@pytest.fixture(scope="module")
def pictures():
    return torch.randint(0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()


def copies(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


# --- The network and the multipliers -------------------------------------------------------------


def test_the_network_is_torchvisions():
    found = resnet()
    assert sum(p.numel() for p in found.parameters()) == 11_227_812  # published, 100 outputs
    assert found.conv1.kernel_size == (7, 7)
    assert found.conv1.stride == (2, 2)
    assert found.fc.out_features == 100


def test_initialisation_is_the_seeds_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = resnet(seed=1), resnet(seed=1), resnet(seed=2)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.fc.weight, second.fc.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_one_changes_nothing(net, pictures, name, norm):
    before, outputs = copies(net), representation.examine(net, pictures)[0]
    multiply(net, name, 1.0, norm)
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())
    assert np.array_equal(representation.examine(net, pictures)[0], outputs)


# How many tensors there are: 20 convolutions, 20 normalisations of two, and weight and bias of the
# classifier. Stage 4 has 5 convolutions; the stem and stages 1-3 have the other 15.
@pytest.mark.parametrize(
    ("name", "norm", "count"),
    [
        ("kappa", True, 45),
        ("kappa", False, 15),
        ("c", True, 62),
        ("c", False, 22),
        ("gamma", True, 2),
        ("gamma", False, 2),
        ("d", True, 62),
        ("d", False, 22),
    ],
)
def test_multipliers_scale_what_the_table_says(name, norm, count):
    net = resnet(seed=3)
    before = copies(net)
    chosen = scaled_parameters(net, name, norm)
    assert len(chosen) == count
    multiply(net, name, 0.5, norm)
    for key, tensor in net.state_dict().items():
        factor = 0.5 if key in chosen else 1.0
        assert torch.equal(tensor, before[key] * factor), key


def test_kappa_leaves_the_last_stage_and_the_classifier(net):
    assert not any(name.startswith(("layer4", "fc")) for name in scaled_parameters(net, "kappa"))
    roots = {name.partition(".")[0] for name in scaled_parameters(net, "kappa")}
    assert roots == {"conv1", "bn1", "layer1", "layer2", "layer3"}


def test_statistics_are_never_scaled(net):
    for name in MULTIPLIERS:
        assert not any("running" in key or "tracked" in key for key in scaled_parameters(net, name))


def test_gamma_scales_the_outputs(pictures):
    net = resnet(seed=1)
    before, features = representation.examine(net, pictures)
    multiply(net, "gamma", 0.25)
    after, same = representation.examine(net, pictures)
    assert np.allclose(after, 0.25 * before, rtol=1e-6)
    assert all(np.array_equal(same[stage], features[stage]) for stage in model.STAGES)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "x"])
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_bad_factors(net, name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        multiply(net, name, value)


def test_only_gamma_may_be_zero():
    net = tiny(4)
    multiply(net, "gamma", 0.0)
    assert not net.fc.weight.any()
    for name in ("kappa", "c", "d"):
        with pytest.raises(ValueError, match=f"{name} must be"):
            multiply(net, name, 0.0)


def test_unknown_multiplier(net):
    with pytest.raises(ValueError, match="multiplier must be one of"):
        multiply(net, "lambda", 1.0)


def test_stages_end_in_the_networks_outputs(net, pictures):
    net.eval()
    with torch.no_grad():
        outputs, features = stages(net, training.normalised(pictures))
        assert torch.equal(outputs, net(training.normalised(pictures)))
        assert torch.allclose(outputs, net.fc(features["layer4"]), atol=1e-5)
    assert [f.shape[1] for f in features.values()] == [64, 64, 128, 256, 512]
    assert tuple(features) == model.STAGES


# --- PR and ENSD ---------------------------------------------------------------------------------


@st.composite
def features(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, p = draw(st.integers(2, 20)), draw(st.integers(1, 8))
    spread = 10.0 ** rng.uniform(-2, 2, p)
    return rng.standard_normal((n, p)) * spread + rng.standard_normal(p), rng


@given(features(), st.booleans())
def test_participation_ratio_by_eigenvalues(case, centred):
    F = case[0]
    singular = np.linalg.svd(F - F.mean(axis=0) * centred, compute_uv=False) ** 2
    expected = singular.sum() ** 2 / (singular**2).sum()
    C = moments(F, centred)
    assert participation_ratio(C) == pytest.approx(expected, rel=1e-9)
    assert shared_dimensions(C, C) == participation_ratio(C)
    assert 1.0 - 1e-12 <= participation_ratio(C) <= min(F.shape) * (1.0 + 1e-12)


@given(features(), st.booleans())
def test_shared_dimensions_by_eigenvectors(case, centred):
    """tr(C1 C2) is the sum over pairs of eigenvectors of l1 l2 (v1 . v2)^2."""
    F, rng = case
    G = rng.standard_normal(F.shape) @ rng.standard_normal((F.shape[1],) * 2)
    C1, C2 = moments(F, centred), moments(G, centred)
    (l1, v1), (l2, v2) = np.linalg.eigh(C1), np.linalg.eigh(C2)
    shared = l1 @ (v1.T @ v2) ** 2 @ l2
    expected = l1.sum() * l2.sum() * shared / ((l1 @ l1) * (l2 @ l2))
    assert shared_dimensions(C1, C2) == pytest.approx(expected, rel=1e-9)
    assert shared_dimensions(C1, C2) == pytest.approx(shared_dimensions(C2, C1), rel=1e-12)
    assert shared_dimensions(7.0 * C1, C2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 5, 64])
def test_participation_ratio_of_isotropic_features(dimension):
    assert participation_ratio(moments(3.0 * np.eye(dimension))) == pytest.approx(dimension)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension,) * 2))[0]
    assert participation_ratio(moments(rotation)) == pytest.approx(dimension)


def test_orthogonal_features_share_nothing():
    F = np.eye(6)
    assert shared_dimensions(moments(F[:, :3] @ F[:3]), moments(F[:, 3:] @ F[3:])) == 0.0


def test_centring_removes_the_mean():
    rng = np.random.default_rng(0)
    F = rng.standard_normal((1000, 5)) + 30.0
    assert participation_ratio(moments(F)) == pytest.approx(1.0, abs=0.02)
    assert participation_ratio(moments(F, centred=True)) == pytest.approx(5.0, abs=0.1)


def test_dead_features_have_no_dimension():
    assert np.isnan(participation_ratio(np.zeros((3, 3))))


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((0, 3)), np.zeros((2, 2, 2))])
def test_bad_features(bad):
    with pytest.raises(ValueError, match="features must have shape"):
        moments(bad)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="C1 and C2 must be"):
        shared_dimensions(np.eye(2), np.eye(3))


# --- Batch-norm statistics -----------------------------------------------------------------------


def test_reestimated_statistics_are_the_samples(net, pictures):
    before = copies(net)
    fresh = representation.reestimated(net, pictures)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    with torch.no_grad():
        x = net.conv1(training.normalised(pictures))
    assert torch.allclose(fresh.bn1.running_mean, x.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(fresh.bn1.running_var, x.var((0, 2, 3)), rtol=1e-4)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), fresh.parameters(), strict=True))


def test_reestimated_statistics_undo_the_confound(pictures):
    """Scaled convolutions change nothing once the statistics are right; stale ones change all."""
    net = resnet(seed=1)
    expected = representation.examine(representation.reestimated(net, pictures), pictures)[0]
    stale = representation.examine(net, pictures)[0]
    for name, parameter in scaled_parameters(net, "kappa", norm=False).items():
        assert "bn" not in name
        parameter.data.mul_(4.0)
    found = representation.examine(representation.reestimated(net, pictures), pictures)[0]
    assert np.allclose(found, expected, rtol=1e-2, atol=1e-3)
    assert not np.allclose(representation.examine(net, pictures)[0], stale, rtol=0.1, atol=0.1)


def test_examining_leaves_the_mode(net, pictures):
    net.train()
    before = copies(net)
    representation.examine(net, pictures)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


# --- Training ------------------------------------------------------------------------------------


def data(n_classes=4):
    images = colours(n_classes)
    return torch.from_numpy(images.train), torch.from_numpy(images.train_labels)


def trained(recipe, **options):
    net = tiny(4)
    return net, training.train(net, *data(), recipe, [1], **options)


def same(net, other):
    pairs = zip(net.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_images_are_normalised():
    found = training.normalised(torch.tensor([0, 255], dtype=torch.uint8))
    assert found.tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("n", "size", "sizes"), [(5, 128, [5]), (9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2])]
)
def test_no_batch_has_one_sample(n, size, sizes):
    parts = training.batches(torch.arange(n), size)
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts), torch.arange(n))


def test_training_ends_below_the_loss():
    net, fit = trained(Recipe(learning_rate=0.1, batch=16, loss=0.2, max_epochs=200))
    assert fit.status == "converged"
    assert 0.0 < fit.loss < 0.2
    assert 1 < fit.epochs < 200
    assert fit.seconds > 0.0
    outputs, _ = representation.examine(representation.reestimated(net, data()[0]), data()[0])
    assert (outputs.argmax(1) == data()[1].numpy()).mean() > 0.9


def test_training_ends_after_the_epochs():
    assert (trained(Recipe(max_epochs=2))[1].status, trained(Recipe(max_epochs=2))[1].epochs) == (
        "unconverged",
        2,
    )


def test_divergence_is_a_status():
    fit = trained(Recipe(learning_rate=1e30, batch=16, max_epochs=50))[1]
    assert fit.status == "diverged"
    assert fit.epochs < 50


def test_one_step_is_stochastic_gradient_descent_with_momentum():
    """Two full-batch epochs by the formulas: v = m v + g, w = w - lr v."""
    recipe = Recipe(learning_rate=0.1, momentum=0.5, max_epochs=2, loss=0.0)
    net = trained(recipe)[0]
    other, (images, labels) = tiny(4).train(), data()
    velocity = [torch.zeros_like(p) for p in other.parameters()]
    for _ in range(2):
        outputs = other(images.float() / 127.5 - 1.0)
        loss = torch.nn.functional.cross_entropy(outputs, labels)
        slopes = torch.autograd.grad(loss, list(other.parameters()))
        with torch.no_grad():
            for p, v, g in zip(other.parameters(), velocity, slopes, strict=True):
                v.mul_(0.5).add_(g)
                p.sub_(0.1 * v)
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)


def trained_outputs(kappa, early_rate, *, norm=True, epsilon=1e-12):
    """Return the outputs after ten epochs, with statistics of the training images."""
    net, images = tiny(4), data()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
    multiply(net, "kappa", kappa, norm)
    options = {"learning_rate": 0.05, "batch": 16, "loss": 0.0, "max_epochs": 10}
    training.train(net, *images, Recipe(**options, early_rate=early_rate), [1], norm=norm)
    return representation.examine(representation.reestimated(net, images[0]), images[0])[0]


def apart(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kappa", [0.5, 2.0])
def test_kappa_is_an_early_learning_rate(kappa, norm):
    """To rounding in single precision, where normalisation adds nothing to variances."""
    scaled = trained_outputs(kappa, 1.0, norm=norm)
    assert apart(scaled, trained_outputs(1.0, kappa**-2, norm=norm)) < 1e-4
    assert apart(scaled, trained_outputs(1.0, 1.0, norm=norm)) > 0.1
    assert apart(scaled, trained_outputs(1.0, kappa**-2, norm=not norm)) > 0.01


def test_what_normalisation_adds_to_variances_limits_that():
    """By torch's 1e-5 the outputs of this network are percents apart."""
    equivalent = (trained_outputs(*pair, epsilon=1e-5) for pair in ((0.5, 1.0), (1.0, 4.0)))
    assert 0.001 < apart(*equivalent) < 0.2


def test_only_the_chosen_outputs_are_trained():
    net, images = tiny(4), data()
    before = net.fc.weight.detach().clone()
    recipe = Recipe(learning_rate=0.1, max_epochs=2)
    training.train(net, images[0], images[1] % 2, recipe, [1], columns=[1, 3])
    changed = (net.fc.weight != before).any(dim=1).tolist()
    assert changed == [False, True, False, True]


def test_same_key_same_network():
    recipe = Recipe(learning_rate=0.05, batch=16, max_epochs=3)
    assert same(trained(recipe)[0], trained(recipe)[0])
    other = tiny(4)
    training.train(other, *data(), recipe, [2])
    assert not same(trained(recipe)[0], other)


@pytest.mark.parametrize("stop", [1, 3])
def test_interrupted_training_resumes_to_the_same_end(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(training, "_SAVE_EVERY", -1.0)
    recipe = Recipe(learning_rate=0.05, batch=16, max_epochs=5)

    def interrupt(epoch, loss):
        if epoch == stop + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(recipe, checkpoint=tmp_path / "a.pt", report=interrupt)
    assert training.load(tmp_path / "a.pt")["epoch"] == stop
    net, fit = trained(recipe, checkpoint=tmp_path / "a.pt")
    expected, whole = trained(recipe)
    assert same(net, expected)
    assert (fit.epochs, fit.loss, fit.status) == (whole.epochs, whole.loss, whole.status)


def test_a_finished_checkpoint_is_not_trained_further(tmp_path):
    recipe = Recipe(max_epochs=2)
    first, fit = trained(recipe, checkpoint=tmp_path / "a.pt")
    second, again = trained(recipe, checkpoint=tmp_path / "a.pt")
    assert same(first, second)
    assert fit == again


def test_damaged_checkpoint(tmp_path):
    path = tmp_path / "a.pt"
    training.save(path, {"x": torch.ones(3)})
    assert torch.equal(training.load(path)["x"], torch.ones(3))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="cannot be read; remove it"):
        training.load(path)


def test_a_checkpoint_cannot_run_code(tmp_path):
    torch.save({"x": Recipe()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        training.load(tmp_path / "a.pt")


@pytest.mark.parametrize("options", [{"mixed_precision": True}, {"channels_last": True}])
def test_options_train_to_about_the_same(options):
    recipe = {"learning_rate": 0.05, "batch": 16, "max_epochs": 3}
    plain, changed = (trained(Recipe(**recipe, **o))[1].loss for o in ({}, options))
    assert changed == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", "fast"),
        ("momentum", 1.0),
        ("batch", 1),
        ("batch", 2.5),
        ("loss", -1.0),
        ("max_epochs", 0),
        ("early_rate", 0.0),
        ("early_rate", np.inf),
    ],
)
def test_bad_recipes(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        Recipe(**{field: value})


def test_too_few_images():
    with pytest.raises(ValueError, match="images must be at least two"):
        training.train(tiny(2), data()[0][:1], data()[1][:1], Recipe(), [1])
