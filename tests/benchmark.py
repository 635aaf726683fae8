"""How long a learning curve and an exact solution take, on one core: `make benchmark`.

The comparisons run the paper's solver and its gradient descent at their own settings, which takes
minutes.
"""

import multiprocessing
import platform
import time
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest
import scipy
from scipy.integrate import solve_ivp

from ptft import (
    REGIMES,
    Initialization,
    Task,
    best_initialization,
    gradient_descent,
    implicit_bias,
    learning_curve,
    learning_curves,
    pretrained_weights,
    rebalance,
    sample_inputs,
    sqrt_k,
)
from ptft.balanced import balanced_network, learn
from ptft.theory.monte_carlo import monte_carlo_curve

ALPHA = np.linspace(0.01, 0.5, 40)
TRUTHS = [(0.0, 0.1), (1.0, 0.1), (1.0, 0.01)]  # (overlap, rho_ft), as in Figure 5


@pytest.mark.parametrize("alpha", [0.03, 0.1, 0.2])
def test_best_initialization(benchmark, alpha):
    best = benchmark(best_initialization, Task(0.1, 0.1, 0.5), alpha)
    assert best.certified < 1e-3


@pytest.mark.parametrize(("overlap", "rho_ft"), TRUTHS)
@pytest.mark.parametrize("regime", REGIMES)
def test_curve(benchmark, regime, overlap, rho_ft):
    curve = benchmark(learning_curve, Task(0.1, rho_ft, overlap), REGIMES[regime].init, ALPHA)
    assert curve.residual.max() < 1e-12


def random_networks(count):
    """Return networks all over the map of regimes, shape (count, 1)."""
    rng = np.random.default_rng(1)
    c = 10.0 ** rng.uniform(-6.0, 2.0, count)
    small = 10.0 ** rng.uniform(-6.0, 0.0, count) - 1.0
    relative = np.where(rng.random(count) < 0.3, small, rng.uniform(-1.0, 1.0, count))
    readout = np.where(rng.random(count) < 0.3, 0.0, 10.0 ** rng.uniform(-4.0, 1.0, count))
    return Initialization(c[:, None], relative[:, None], readout[:, None])


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
def test_map(benchmark, capsys, prior):
    """200 networks times 40 sample sizes: at once, and one curve after the other.

    In processor time, which other work on the machine hardly touches.
    """
    task, networks = Task(0.1, 0.1, 0.7, prior=prior), random_networks(200)
    alpha = np.linspace(0.01, 0.95, 40)
    found = benchmark.pedantic(learning_curves, args=(task, networks, alpha), rounds=3)
    assert found.residual.max() < 1e-12
    columns = (networks.c_pt[:, 0], networks.lambda_pt[:, 0], networks.gamma_ft[:, 0])
    each = [Initialization(*map(float, values)) for values in zip(*columns, strict=True)]
    at_once = min(_processor_seconds(learning_curves, task, networks, alpha) for _ in range(5))
    curves = _processor_seconds(lambda: [learning_curve(task, init, alpha) for init in each])
    count = found.error.size
    with capsys.disabled():
        print(
            f"\n{count} points of a map, {prior}, one core ({_processor()}): "
            f"{count / at_once:.0f} points/s at once, {count / curves:.0f} curve by curve; "
            f"residual {found.residual.max():.0e}, expectations {found.expectation_error.max():.0e}"
        )


def test_against_the_papers_solver(benchmark, capsys):
    """Regime II, full overlap, every fourth of 40 sample sizes."""
    problem = Task(0.1, 0.1, 1.0), Initialization(1e-3, 0.0, 0.0), ALPHA[::4]
    theirs = benchmark.pedantic(monte_carlo_curve, args=problem, rounds=1, iterations=1)
    slow = benchmark.stats.stats.min
    fast = np.median([_seconds(learning_curve, *problem) for _ in range(101)])
    ours = learning_curve(*problem, ridge=1e-6)
    assert np.abs(theirs.error / ours.error - 1.0).max() < 0.2
    benchmark.extra_info["ratio"] = slow / fast
    with capsys.disabled():
        print(_report(slow, fast))


@pytest.mark.parametrize(
    ("regime", "n_dims"), [("II", 1000), ("IV", 1000), ("I", 1000), ("II", 5000)]
)
def test_implicit_bias_against_gradient_descent(benchmark, capsys, regime, n_dims):
    """N = D / 4, overlap 0.5; descent stops by the paper's rule, at a loss of 1e-4."""
    rng, init = np.random.default_rng(0), REGIMES[regime].init
    X = sample_inputs(n_dims // 4, n_dims, rng)
    beta_pt, teacher = Task(0.1, 0.1, 0.5).sample_teachers(n_dims, rng)
    problem = X, X @ teacher
    start = rebalance(pretrained_weights(beta_pt, init), init.gamma_ft)
    descent = benchmark.pedantic(gradient_descent, args=(*problem, start), rounds=1, iterations=1)
    slow = benchmark.stats.stats.min
    problem = *problem, sqrt_k(beta_pt, init)
    fast = np.median([_seconds(implicit_bias, *problem) for _ in range(21)])
    exact = implicit_bias(*problem)
    assert exact.residual < 1e-12
    away = np.linalg.norm(descent.beta - exact.beta) / np.linalg.norm(exact.beta)
    assert 1e-3 < away < 0.1  # descent stops short of the minimiser
    benchmark.extra_info["ratio"] = slow / fast
    with capsys.disabled():
        print(
            f"\nregime {regime}, D = {n_dims}: gradient descent {slow:.2f} s, "
            f"{descent.epochs} epochs, to a relative distance of {away:.1e} from the "
            f"minimiser\n  implicit_bias {fast:.4f} s "
            f"(median of 21), residual {exact.residual:.0e}; ratio {slow / fast:.0f}"
        )


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _processor_seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def _report(slow, fast):
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return (
        f"\n10 sample sizes of regime II, one core ({versions}, SciPy {scipy.__version__}, "
        f"{_processor()})\n"
        f"  the paper's solver   {slow:10.3f} s\n"
        f"  ptft.learning_curve  {fast:10.6f} s (median of 101)\n"
        f"  ratio                {slow / fast:10.0f}"
    )


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@pytest.mark.parametrize("balance", [1.0, 100.0])
def test_exact_dynamics_against_integration(benchmark, capsys, balance):
    """A balanced linear network's learning at 200 times: closed form, and adaptive integration."""
    target = np.random.default_rng(1).normal(size=(5, 5)) / 2.0
    network = balanced_network((5, 5, 5), balance, seed=0)
    problem = network, target, np.linspace(0.0, 10.0, 200)
    path = benchmark(learn, *problem)
    fast = np.median([_seconds(learn, *problem) for _ in range(21)])
    with capsys.disabled():
        print(f"\n200 times of learning in a 5-5-5 network with lambda = {balance:g}, one core")
        print(f"  ptft.deep_linear.learn   {1e3 * fast:8.2f} ms (median of 21)")
        for tolerance in (1e-6, 1e-12):
            slow = np.median([_seconds(_integrated, *problem, tolerance) for _ in range(5)])
            error = np.abs(_integrated(*problem, tolerance) - path.function).max()
            assert error < 1e5 * tolerance
            print(
                f"  DOP853, tolerance {tolerance:.0e}  {1e3 * slow:8.2f} ms (median of 5), "
                f"{slow / fast:.0f} times as long, off by {error:.0e}"
            )


def _integrated(network, target, times, tolerance):
    cut = network.w1.size

    def flow(_, state):
        w1, w2 = state[:cut].reshape(network.w1.shape), state[cut:].reshape(network.w2.shape)
        error = target - w2 @ w1
        return np.concatenate([(w2.T @ error).ravel(), (error @ w1.T).ravel()])

    start = np.concatenate([network.w1.ravel(), network.w2.ravel()])
    path = solve_ivp(
        flow, times[[0, -1]], start, "DOP853", t_eval=times, rtol=tolerance, atol=tolerance / 100
    )
    w1, w2 = path.y[:cut].T, path.y[cut:].T
    return w2.reshape(-1, *network.w2.shape) @ w1.reshape(-1, *network.w1.shape)


@pytest.mark.parametrize("network", ["ResNet-18", "pixels to outputs"])
@pytest.mark.parametrize(("n_samples", "epochs"), [(1280, 2), (20, 30)])
def test_training_against_a_data_loader(benchmark, capsys, network, n_samples, epochs):
    """The vision experiment's loop against a plain one, as in pretraining and in fine-tuning.

    The second network costs next to nothing: what remains is the loop, as a fast GPU sees it.
    """
    torch = pytest.importorskip("torch")
    from ptft.vision import data, model, training

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = data.drawn((-(-n_samples // 100), 1))
    pixels, labels = images.train[:n_samples], images.train_labels[:n_samples]
    tensors = [torch.from_numpy(array).to(device) for array in (pixels, labels)]
    recipe = training.Recipe(loss=0.0, max_epochs=epochs)

    def fresh():
        if network == "ResNet-18":
            return model.resnet(seed=0).to(device)
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 100)).to(device)

    def ours():
        return training.train(fresh(), *tensors, recipe, [1]).loss

    plain = _plain_loop(pixels, labels, recipe, device)
    losses = ours(), plain(fresh())
    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # other orders, the same recipe
    benchmark.pedantic(ours, rounds=3)
    fast, slow = benchmark.stats.stats.min, min(_seconds(plain, fresh()) for _ in range(3))
    benchmark.extra_info["ratio"] = slow / fast
    with capsys.disabled():
        print(f"\n{network}, {n_samples} images, {epochs} epochs, {device}, best of 3")
        print(f"  a DataLoader's loop  {n_samples * epochs / slow:10.0f} images/s")
        print(f"  ptft.vision          {n_samples * epochs / fast:10.0f} images/s")
        print(f"  ratio                {slow / fast:10.2f}")


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bfloat16, channels last"])
def test_networks_one_at_a_time_against_several(benchmark, capsys, fast):
    """On a CPU: one network on all cores, or one a core, all at once."""
    pytest.importorskip("torch")
    n_cores = joblib.cpu_count()
    rates = benchmark.pedantic(lambda: [_rates(1, n_cores, fast), _rates(n_cores, 1, fast)])
    benchmark.extra_info["ratio"] = sum(rates[1]) / sum(rates[0])
    with capsys.disabled():
        print(f"\nResNet-18, batch 64, {'bfloat16, channels last' if fast else 'float32'}")
        for (name, threads), found in zip(
            (("one network", n_cores), (f"{n_cores} networks", 1)), rates, strict=True
        ):
            told = " + ".join(f"{rate:.0f}" for rate in found)
            print(f"  {name} at a time, {threads} threads each  {told} images/s")
        print(f"  ratio {sum(rates[1]) / sum(rates[0]):.2f}")


def _rates(n_processes, threads, fast):
    """Return the images/s of processes that train at the same time."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(n_processes, context) as pool:
        ready = manager.Barrier(n_processes)
        tasks = [pool.submit(_train_alone, threads, fast, ready) for _ in range(n_processes)]
        return [task.result() for task in tasks]


def _train_alone(threads, fast, ready):
    import torch

    from ptft.vision import model, training

    torch.set_num_threads(threads)
    batch, n_epochs = 64, 12
    images = torch.randint(256, (2 * batch, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(len(images)) % 100
    recipe = training.Recipe(
        loss=0.0, batch=batch, max_epochs=1 + n_epochs, mixed_precision=fast, channels_last=fast
    )
    times = []

    def report(epoch, loss):
        if epoch == 1:  # what happens only once has happened
            ready.wait()
        times.append(time.perf_counter())

    fit = training.train(model.resnet(seed=0), images, labels, recipe, [1], report=report)
    assert fit.epochs == 1 + n_epochs
    return n_epochs * len(images) / (times[-1] - times[0])


def _plain_loop(pixels, labels, recipe, device):
    """Return the usual loop: pictures, transforms, a loader, and the loss read at every step."""
    import torch
    from PIL import Image

    from ptft.vision._torchvision import torchvision

    steps = torchvision.transforms
    half = (0.5, 0.5, 0.5)
    transform = steps.Compose([steps.ToTensor(), steps.Normalize(half, half)])

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(labels)

        def __getitem__(self, i):
            return transform(Image.fromarray(pixels[i].transpose(1, 2, 0))), labels[i]

    def loop(net):
        loader = torch.utils.data.DataLoader(Pictures(), batch_size=recipe.batch, shuffle=True)
        optimizer = torch.optim.SGD(net.parameters(), recipe.learning_rate, recipe.momentum)
        net.train()
        for _ in range(recipe.max_epochs):
            total = 0.0
            for images, targets in loader:
                images, targets = images.to(device), targets.to(device)
                loss = torch.nn.functional.cross_entropy(net(images), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(targets)
        return total / len(labels)

    return loop
