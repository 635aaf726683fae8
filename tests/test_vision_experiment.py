"""Plans, studies that are interrupted, tables and the command line of the vision experiment."""

import itertools
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_vision import colours, plan, tiny, use_tiny

import ptft.vision
from ptft.command import main
from ptft.vision import command, experiment, hardware, model, results, training
from ptft.vision import plan as plans
from ptft.vision.experiment import Study
from ptft.vision.plan import PRESETS, Job, Multipliers, Plan, one_at_a_time
from ptft.vision.results import differences
from ptft.vision.training import Recipe

torch.set_num_threads(1)
PLAN, IMAGES = plan(), colours()


def study(folder, plan=PLAN, images=IMAGES, **options):
    return Study(folder, plan, images, **({"threads": 1, "network": tiny} | options))


def run(folder, jobs=None, **options):
    mine = study(folder, **options)
    mine.run(mine.jobs() if jobs is None else jobs, progress=False)
    return results.table(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a study that nothing disturbed."""
    folder = tmp_path_factory.mktemp("study") / "results"
    run(folder)
    return folder


def same(folder, other):
    tables = [results.table(f, stages).to_csv() for f in (folder, other) for stages in (0, 1)]
    return tables[:2] == tables[2:]


# --- Plans ---------------------------------------------------------------------------------------


def test_one_at_a_time():
    found = one_at_a_time(kappa=(0.5, 1.0), d=(2.0,))
    assert set(found) == {Multipliers(), Multipliers(kappa=0.5), Multipliers(d=2.0)}


def test_the_papers_plan():
    found = PRESETS["paper"]
    assert len(found.settings) == 4 * 4 + 1
    assert len(found.pretrainings()) == 50 * 9
    assert (found.n_held_out, found.n_pairs) == (2, 1)
    assert found.samples == (10, 20, 50, 100, 200, 500, 1000)
    assert found.pretraining == Recipe()
    assert plans.splits(found, 100)[0][1] == [plans.splits(found, 100)[0][0]]


def test_small_has_the_effects_asked_for():
    settings = PRESETS["small"].settings
    assert {s.gamma for s in settings} == {0.125, 0.5, 1.0, 2.0, 8.0}
    assert {s.d for s in settings} == {0.25, 0.5, 1.0, 2.0}
    assert len(PRESETS["small"].pretrainings()) == 1


def test_splits_hold_out_what_they_pair():
    found = plans.splits(plan(n_splits=5), 6)
    for held_out, pairs in found:
        assert len(set(held_out)) == 3
        assert len(set(pairs)) == len(pairs) == 2
        assert all(a < b and {a, b} <= set(held_out) for a, b in pairs)
    assert len({held_out for held_out, _ in found}) > 1
    assert plans.splits(plan(n_splits=2), 6) == found[:2]


def test_samples_take_turns_and_fewer_are_the_first_of_more():
    labels, pair = IMAGES.of((1, 4))[1], (1, 4)
    few, many = (plans.chosen(PLAN, labels, Job(0, 1.0, 1.0, pair, n)) for n in (5, 10))
    assert labels[few].tolist() == [1, 4, 1, 4, 1]
    assert few.tolist() == many[:5].tolist()
    assert len(set(many.tolist())) == 10
    other = plans.chosen(PLAN, labels, Job(0, 0.5, 1.0, pair, 10))
    assert other.tolist() == many.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_splits": 0}, "n_splits must be"),
        ({"n_held_out": 1}, "n_held_out must be"),
        ({"n_pairs": 4}, "n_pairs must be"),
        ({"samples": (1,)}, "samples must be"),
        ({"settings": ()}, "settings must hold"),
    ],
)
def test_bad_plans(change, message):
    with pytest.raises(ValueError, match=message):
        plan(**change)


# --- Studies -------------------------------------------------------------------------------------


def test_table(folder):
    found = results.table(folder)
    assert len(found) == 2 * 2 * 4
    assert found.status.isin(["converged", "unconverged"]).all()
    assert not found.isna().any(axis=None)
    for statistics in ("running", "reestimated"):
        assert found[f"accuracy_{statistics}"].between(0.0, 1.0).all()
        assert found[f"pr_after_{statistics}"].between(1.0, 4.001).all()


def test_table_of_stages(folder):
    found = results.table(folder, stages=True)
    assert len(found) == 2 * 2 * 4 * 5 * 2 * 2
    assert tuple(found.stage.unique()) == tuple(sorted(model.STAGES))
    last = found[(found.stage == "layer4") & (found.statistics == "running") & ~found.centred]
    assert np.array_equal(last.ensd, results.table(folder).ensd_running)


def test_before_does_not_depend_on_what_fine_tuning_scales(folder):
    found = results.table(folder)
    groups = found.groupby(["split", "first", "second", "n_samples", "kappa"])
    assert (groups.pr_before_running.nunique() == 1).all()


def test_a_setting_does_not_depend_on_which_others_there_are(folder, tmp_path):
    """Initialisation, order and samples are the same under all multipliers."""
    found = run(tmp_path / "a", plan=replace(PLAN, settings=(Multipliers(d=0.5), Multipliers())))
    names = [*found.columns]
    expected = results.table(folder)
    expected = expected[(expected.kappa == 1.0) & (expected.gamma == 1.0)]
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True)[names])


def test_same_seed_same_table_and_another_seed_another(folder, tmp_path):
    run(tmp_path / "a")
    assert same(folder, tmp_path / "a")
    run(tmp_path / "b", plan=replace(PLAN, seed=1))
    assert not same(folder, tmp_path / "b")


def test_shards_make_the_whole(folder, tmp_path):
    mine = study(tmp_path / "a")
    parts = [mine.jobs(f"{i}/3") for i in (1, 2, 3)]
    assert sorted(job for part in parts for job in part) == sorted(mine.jobs())
    for part in reversed(parts):
        mine.run(part, progress=False)
    assert same(folder, tmp_path / "a")


def test_interrupted_study_resumes_to_the_same_table(folder, tmp_path, monkeypatch):
    calls, real = [], experiment.fine_tune

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(experiment, "fine_tune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a")
    mine = study(tmp_path / "a")
    assert len(mine.jobs()) - len(mine.pending(mine.jobs())) == 4
    run(tmp_path / "a")
    assert len(calls) == 5 + len(mine.jobs()) - 4
    assert same(folder, tmp_path / "a")


_SCRIPT = """
import sys
from tiny_vision import colours, plan, tiny
from ptft.vision import training
from ptft.vision.experiment import Study
training._SAVE_EVERY = -1.0
study = Study(sys.argv[1], plan(), colours(), threads=1, network=tiny)
print("started", flush=True)
study.run(study.jobs(), progress=False)
"""


def test_killed_study_resumes_to_the_same_table(folder, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    arguments = [sys.executable, "-c", _SCRIPT, str(tmp_path / "a")]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"started\n"
    deadline = time.monotonic() + 60
    while not list((tmp_path / "a").glob("*.pt")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    mine = study(tmp_path / "a")
    assert mine.pending(mine.jobs())
    run(tmp_path / "a")
    assert same(folder, tmp_path / "a")


def test_nothing_is_computed_twice(folder, monkeypatch):
    monkeypatch.setattr(experiment, "train", None)
    before = results.table(folder).to_csv()
    assert run(folder).to_csv() == before


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"plan": plan(seed=5)}, "plan"),
        ({"images": colours(per_class=(11, 6))}, "data"),
        ({"threads": 2}, "threads"),
    ],
)
def test_another_configuration_is_refused(folder, options, what):
    before = sorted(folder.iterdir())
    with pytest.raises(ValueError, match=f"with other {what}; give another folder"):
        study(folder, **options)
    assert sorted(folder.iterdir()) == before


def test_divergence_is_a_row(tmp_path):
    wild = Recipe(learning_rate=1e30, batch=4, max_epochs=20)
    found = run(tmp_path / "a", plan=plan(fine_tuning=wild, n_splits=1))
    assert (found.status == "diverged").all()
    assert found.accuracy_running.isna().all()
    found = run(tmp_path / "b", plan=plan(pretraining=wild, n_splits=1))
    assert (found.status == "pretraining diverged").all()
    assert "1 diverged" in results.made(tmp_path / "b")["pretraining"]


def test_one_diverged_network_leaves_the_others_alone(folder, tmp_path):
    """As kappa = 4 may; here weights whose squares overflow."""
    settings = one_at_a_time(kappa=(1e30,), gamma=(8.0,))
    found = run(tmp_path / "a", plan=replace(PLAN, settings=settings))
    wild = found.kappa != 1.0
    assert (found.status[wild] == "pretraining diverged").all()
    expected = results.table(folder)
    expected = expected[(expected.kappa == 1.0) & (expected.d == 1.0)]
    tables = (part.reset_index(drop=True) for part in (found[~wild], expected))
    pd.testing.assert_frame_equal(*tables, check_dtype=False)
    rows = differences(found, "accuracy_running").set_index("kappa")
    assert rows.status[1e30] == "no pair has both"
    assert rows.n_lost[1e30] == 4


def test_what_overflows_has_no_number():
    outputs = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert experiment._accuracy(outputs, np.array([1, 1])) == 0.5
    assert experiment._accuracy(outputs / [[1.0, 1.0], [1.0, np.nan]], np.array([1, 1])) is None
    fine, wild = np.eye(3), np.full((3, 3), np.inf)
    assert experiment._dimensions(fine, fine, False)["ensd"] == pytest.approx(3.0)
    found = experiment._dimensions(fine, wild, False)
    assert found == {"pr_before": pytest.approx(3.0), "pr_after": None, "ensd": None}


# --- Failures ------------------------------------------------------------------------------------

LOST = RuntimeError("CUDA error: unspecified launch failure")


def failing(real, error, when):
    """Return a function that raises an error in the calls of certain numbers, counted from 0."""
    calls = itertools.count()

    def sometimes(*arguments, **options):
        if next(calls) in when:
            raise error
        return real(*arguments, **options)

    return sometimes


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (MemoryError(), "out of memory"),
        (LOST, "device lost"),
    ],
)
def test_a_failed_job_is_recorded_and_tried_again(folder, tmp_path, monkeypatch, error, status):
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "fine_tune", failing(experiment.fine_tune, error, {1, 3}))
        found = run(tmp_path / "a")
    mine = study(tmp_path / "a")
    failed = mine.failed(mine.jobs())
    assert list(failed.values()) == [status, status]
    assert set(failed) == set(mine.pending(mine.jobs()))
    lost = found[found.status == status]
    assert len(lost) == sum(len(experiment.settings_of(PLAN, job)) for job in failed)
    assert lost.accuracy_running.isna().all()
    assert len(found) == len(results.table(folder))
    run(tmp_path / "a")
    assert same(folder, tmp_path / "a")
    assert mine.failed(mine.jobs()) == {}
    assert not list((tmp_path / "a").glob("*.failed.json"))


def test_a_failed_pretraining_is_recorded_and_goes_on(folder, tmp_path, monkeypatch):
    """The third network's; it had a checkpoint by then."""
    monkeypatch.setattr(training, "_SAVE_EVERY", -1.0)
    with monkeypatch.context() as patch:
        real, patched = training._Trainer.run_epoch, training._Trainer
        patch.setattr(patched, "run_epoch", failing(real, LOST, {5}))
        found = run(tmp_path / "a", jobs=study(tmp_path / "a").jobs())
    lost = found.status == "pretraining device lost"
    assert set(zip(found[lost].split, found[lost].kappa, strict=True)) == {(1, 0.5)}
    assert found.status[~lost].isin(["converged", "unconverged"]).all()
    assert len(list((tmp_path / "a").glob("*.unfinished.pt"))) == 1
    run(tmp_path / "a")
    assert same(folder, tmp_path / "a")


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    broken = failing(experiment.fine_tune, ZeroDivisionError("a mistake"), {0})
    monkeypatch.setattr(experiment, "fine_tune", broken)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        run(tmp_path / "a")


def test_torchs_errors_are_told_apart():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**16, dtype=torch.uint8)  # more than any machine has
    assert hardware.failure(caught.value) == "out of memory"
    assert hardware.failure(LOST) == "device lost"
    assert hardware.failure(RuntimeError("CUDA error: out of memory")) == "out of memory"
    assert hardware.failure(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")) == "out of memory"
    assert hardware.failure(torch.AcceleratorError("the device is gone")) == "device lost"
    assert hardware.failure(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert hardware.failure(ValueError("out of memory")) is None


class Deadly:
    """Makes networks as `tiny` does, but once kills the process that is not the first."""

    def __init__(self, place):
        self.place, self.first = place, os.getpid()

    def __call__(self, n_classes, seed):
        if os.getpid() != self.first and not self.place.exists():
            self.place.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return tiny(n_classes, seed)


def test_work_goes_on_with_fewer_processes_after_one_was_killed(folder, tmp_path):
    mine = study(tmp_path / "a", network=Deadly(tmp_path / "killed"))
    mine.run(mine.jobs(), n_jobs=2, progress=False)
    assert (tmp_path / "killed").exists()
    assert mine.pending(mine.jobs()) == []
    assert same(folder, tmp_path / "a")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(tmp_path):
    with pytest.raises(ValueError, match="device must be there, got 'cuda' where torch finds 0"):
        study(tmp_path, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu(tmp_path):
    assert len(run(tmp_path / "a", device="cuda")) == 16


def test_unknown_device(tmp_path):
    with pytest.raises(ValueError, match="device must be cpu, cuda or"):
        study(tmp_path, device="abacus")


def test_too_few_classes_or_images(tmp_path):
    with pytest.raises(ValueError, match="must have at least 7 classes to hold out 5, got 6"):
        study(tmp_path, plan=plan(n_held_out=5))
    with pytest.raises(ValueError, match="samples must be at most 24"):
        study(tmp_path, plan=plan(samples=(30,), per_class=(20, 6)))


def test_the_loss_may_be_over_all_outputs(tmp_path):
    found = run(tmp_path / "a", plan=plan(all_outputs=True, n_splits=1))
    assert found.status.isin(["converged", "unconverged"]).all()


def test_a_damaged_result_is_named_and_one_cut_off_is_none(tmp_path):
    mine = study(tmp_path / "a")
    path = mine.path(mine.jobs()[0])
    path.write_text("{not json}")
    with pytest.raises(ValueError, match=f"folder must hold whole results, got .*{path.name}"):
        results.table(tmp_path / "a")
    path.write_text('{"job": {')
    assert mine.pending(mine.jobs()) == mine.jobs()


def test_the_pretrained_network_is_tested_on_the_classes_it_knows(folder):
    mine = study(folder)
    path = mine.network_path(mine.plan.pretrainings()[0])
    net = tiny(len(IMAGES.classes), 0)
    net.load_state_dict(training.load(path)["model"])
    known = ~np.isin(IMAGES.test_labels, mine.splits[0][0])
    with torch.no_grad():
        outputs = net.eval()(training.normalised(torch.from_numpy(IMAGES.test[known])))
    right = outputs.argmax(1).numpy() == IMAGES.test_labels[known]
    assert experiment.ending(path)["accuracy"] == pytest.approx(right.mean())


def test_another_initialisation_changes_the_network_alone(tmp_path):
    first, second = (study(tmp_path / str(i), plan=plan(initialisation=i)) for i in (0, 1))
    assert first.splits == second.splits
    assert [job.name for job in first.jobs()] == [job.name for job in second.jobs()]
    weights = [next(mine._initial(0).parameters()) for mine in (first, second)]
    assert not torch.equal(*weights)
    with pytest.raises(ValueError, match="initialisation must be"):
        plan(initialisation=-1)


def test_a_folder_without_results(tmp_path, capsys):
    study(tmp_path / "a")
    assert results.made(tmp_path / "a")["pretraining rate"] == "0 images/s"
    assert main(["vision-table", str(tmp_path / "a")]) != 0
    assert "folder must hold finished jobs" in capsys.readouterr().err


def test_what_made_it(folder):
    facts = results.made(folder)
    assert facts["data"] == f"colours, digest {IMAGES.digest}"
    assert json.loads(facts["plan"])["n_splits"] == 2
    first, second = facts["pretraining"].split("; ")
    assert first.startswith("kappa0.5-c1: 2 unconverged, 2 epochs, loss ")
    assert second.startswith("kappa1-c1: 2 unconverged, 2 epochs, loss ")
    assert facts["wall time"].endswith(" runs")
    for name in ("pretraining rate", "fine-tuning rate"):
        assert re.fullmatch(r"[1-9]\d* images/s", facts[name])
    for name in ("peak memory, pretraining", "peak memory, fine-tuning"):
        assert 0.05 < float(facts[name].removesuffix(" GiB")) < 20.0
    assert f"torch {torch.__version__}" in facts["versions"]
    assert {"commit", "code", "hardware", "date"} <= set(facts)


# --- Differences ---------------------------------------------------------------------------------


def example(values, base):
    rows = [
        {
            "initialisation": 0,
            "split": 0,
            "first": 0,
            "second": i,
            "n_samples": 20,
            "kappa": 1.0,
            "c": 1.0,
            "d": 1.0,
        }
        | {"gamma": gamma, "accuracy": value}
        for gamma, column in ((2.0, values), (1.0, base))
        for i, value in enumerate(column)
    ]
    return pd.DataFrame(rows)


def test_paired_differences():
    """By scipy's paired t-test."""
    from scipy import stats

    values, base = np.random.default_rng(0).uniform(size=(2, 12))
    found = differences(example(values, base), "accuracy").set_index("gamma")
    expected = stats.ttest_rel(values, base)
    row = found.loc[2.0]
    assert row.difference == pytest.approx(expected.statistic * row.standard_error)
    interval = expected.confidence_interval(0.95)
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))
    assert (row["mean"], row.baseline) == pytest.approx((values.mean(), base.mean()))
    assert found.loc[1.0].difference == 0.0


def test_lost_pairs_are_left_out_of_both():
    found = differences(example([0.5, np.nan, 0.7], [0.4, 0.1, 0.5]), "accuracy")
    row = found[found.gamma == 2.0].iloc[0]
    assert row.n_pairs == 2
    assert row.baseline == pytest.approx(0.45)


def test_differences_need_the_baseline():
    table = example([0.5], [0.4])
    with pytest.raises(ValueError, match="table must have the baseline"):
        differences(table[table.gamma == 2.0], "accuracy")


def test_swept_rows_and_their_names():
    settings = [(1, 1, 1, 1), (1, 1, 8, 1), (1, 1, 0.5, 1), (2, 1, 8, 1), (1, 1, 1, 4)]
    table = pd.DataFrame(settings, columns=["kappa", "c", "gamma", "d"], dtype=float)
    assert results.swept(table, "gamma").gamma.tolist() == [0.5, 1.0, 8.0]
    assert results.swept(table, "kappa").kappa.tolist() == [1.0]
    names = table.apply(results.setting_name, axis=1).tolist()
    expected = ["baseline", "gamma = 8", "gamma = 0.5", "kappa = 2, gamma = 8", "d = 4"]
    assert names == expected
    with pytest.raises(ValueError, match=r"name must be one of .*, got 'lambda'"):
        results.swept(table, "lambda")


# --- The command line ----------------------------------------------------------------------------


@pytest.fixture
def tiny_preset(monkeypatch):
    """Make `smoke` a plan of seconds on a tiny network."""
    small = plan(n_splits=1, n_held_out=3, samples=(4,), settings=one_at_a_time(gamma=(2.0,)))
    use_tiny(monkeypatch, replace(small, per_class=(2, 1)))


def test_run_and_table(tmp_path, capsys, tiny_preset):
    folder, output = tmp_path / "results", tmp_path / "results.csv"
    words = f"vision {folder} --quiet --threads 1".split()
    assert main(words) == 0
    assert f"2 of 2 jobs are in {folder}" in capsys.readouterr().out
    assert main(f"vision-table {folder} --output {output}".split()) == 0
    table, facts = results.read_table(output)
    pd.testing.assert_frame_equal(table, results.table(folder), rtol=1e-5)
    assert facts["command"].startswith("python -m ptft vision")
    assert main(f"vision-table {folder} --stages".split()) == 0
    assert capsys.readouterr().out.count("layer3") == 2 * 2 * 4


def test_changes_to_a_preset():
    options = "vision x --preset small --gamma 0.5 --kappa 2 --samples 20 50 --splits 2 --pairs 3"
    words = [*options.split(), "--fine-tuning", "loss=1e-4", "max_epochs=7", "--no-norm"]
    words += ["--pretraining", "early_rate=0.25"]
    from ptft.command import _parser

    found = command._plan(_parser().parse_args(words))
    assert found.settings == one_at_a_time(gamma=(0.5,), kappa=(2.0,))
    assert (found.samples, found.n_splits, found.n_pairs) == ((20, 50), 2, 3)
    assert found.fine_tuning == replace(PRESETS["small"].fine_tuning, loss=1e-4, max_epochs=7)
    assert found.pretraining == replace(PRESETS["small"].pretraining, early_rate=0.25)
    assert not found.norm
    assert isinstance(found, Plan)


@pytest.mark.parametrize(
    "words",
    [
        "--preset small",
        "--preset smoke --gamma 0.5 --kappa 2 --c --d 4 0.125 --samples 20 30 --pairs 3",
        "--preset small --pretraining loss=0.1 mixed_precision=1 --fine-tuning early_rate=4",
        "--preset paper --images x --all-outputs --no-norm --seed 5 --initialisation 2",
    ],
)
def test_a_table_names_the_options_that_make_its_plan(words):
    from ptft.command import _parser

    plan = command._plan(_parser().parse_args(["vision", "x", *words.split()]))
    found = command._words(json.loads(json.dumps(asdict(plan))), "some pictures")
    again = command._plan(_parser().parse_args(["vision", *found]))
    assert again == plan
    assert "--images" in found


def test_a_failed_job_ends_with_status_2(tmp_path, capsys, tiny_preset, monkeypatch):
    error = torch.OutOfMemoryError("CUDA out of memory")
    monkeypatch.setattr(experiment, "fine_tune", failing(experiment.fine_tune, error, {1}))
    assert main(f"vision {tmp_path / 'a'} --quiet --threads 1".split()) == 2
    said = capsys.readouterr()
    assert "1 of 2 jobs are in" in said.out
    assert "some jobs failed (1 out of memory): start again, if need be with fewer" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset huge", "preset must be one of"),
        ("--preset paper", "preset paper needs images"),
        ("--download", "download needs a place"),
        ("--images nowhere", "images must be in a folder"),
        ("--cifar100 nowhere", "CIFAR-100 must have a file"),
        ("--fine-tuning speed=1", "fine_tuning must name one of"),
        ("--pretraining loss=low", "pretraining must be NAME=NUMBER"),
        ("--samples 1000", "samples must be"),
        ("--shard 3/2", "shard must be"),
        ("--device abacus", "device must be cpu"),
    ],
)
def test_errors_end_with_status_2(tmp_path, capsys, tiny_preset, words, message):
    assert main(["vision", str(tmp_path / "new"), "--quiet", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_a_table_of_nothing(tmp_path, capsys):
    assert main(["vision-table", str(tmp_path)]) == 2
    assert "folder must hold" in capsys.readouterr().err


def test_help_needs_no_torch():
    code = """
import sys
for name in ("torch", "torchvision", "matplotlib", "pandas", "joblib", "PIL"):
    sys.modules[name] = None
from ptft.command import main
assert main(["vision", "x"]) == 2
main(["vision", "--help"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--preset" in done.stdout
    assert 'this needs joblib: pip install "ptft[vision]"' in done.stderr


def test_the_package_page_lists_every_module(repository):
    text = (repository / "book" / "package.md").read_text(encoding="utf-8")
    names = [module.name for module in pkgutil.iter_modules(ptft.vision.__path__)]
    listed = [name for name in names if f".. automodule:: ptft.vision.{name}\n" in text]
    assert listed == [name for name in names if not name.startswith("_")]
