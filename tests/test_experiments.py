"""Settings, jobs and sweeps: the same numbers however the work is cut, moved or interrupted."""

import contextlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.stats

import ptft
from ptft import (
    REGIMES,
    Initialization,
    Task,
    fixed_point,
    implicit_bias,
    learning_curve,
    sample_inputs,
)
from ptft.command import main
from ptft.sweeps import experiments, progress, provenance, storage
from ptft.sweeps.experiments import Job, Setting, Sweep
from ptft.training.many import implicit_biases

PAIR = [Setting(0.1, 1.0), Setting(0.1, 0.0, gamma_ft=1.0)]
JOBS = experiments.jobs(60, [0.2, 0.3], 2)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the table of a sweep that nothing disturbed."""
    sweep = Sweep(tmp_path_factory.mktemp("sweep"), PAIR)
    sweep.run(JOBS, n_jobs=1, progress=False)
    return sweep.table()


def same(table, other):
    return table.to_csv() == other.to_csv()


# --- Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"), [("1", 21), ("2", 14), ("3", 42), ("4", 12), ("fig5", 12), ("all", 71)]
)
def test_experiments_have_the_papers_settings(name, count):
    found = experiments.settings(name)
    assert len(found) == len(set(found)) == count
    assert set(found) <= set(experiments.settings("all"))


def test_the_baseline_is_in_every_experiment():
    for name in ("1", "2", "3"):
        assert Setting(0.1, 0.0) in experiments.settings(name)
    assert Setting(0.1, rho_pt=0.0) in experiments.settings("4")


def test_unknown_experiment():
    with pytest.raises(ValueError, match="experiment must be one of"):
        experiments.settings("5")


def test_theory_of_a_setting_is_the_learning_curve():
    setting = Setting(0.04, 1.0, lambda_pt=-0.99)
    expected = learning_curve(Task(0.1, 0.04, 1.0), setting.initialization(), 0.2).error
    assert fixed_point(setting.groups(), 0.2).error == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("setting", [Setting(0.1, 0.5), Setting(0.1, rho_pt=0.0)])
def test_a_drawn_problem_has_the_groups_shares(setting):
    beta, scale = setting.problem(200_000, np.random.default_rng(3))
    for group in setting.groups():
        active = group.prior.second_moment > 0.0
        share = np.mean(np.isclose(scale, group.sqrt_k) & ((beta != 0.0) == active))
        sigma = np.sqrt(group.probability * (1.0 - group.probability) / beta.size)
        assert abs(share - group.probability) < 5.0 * sigma
    assert np.mean(beta**2) == pytest.approx(1.0, abs=5.0 * np.sqrt(29.0 / beta.size))


# --- Jobs ----------------------------------------------------------------------------------------


def test_jobs_of_the_paper():
    found = experiments.jobs()
    assert len(found) == len(set(found)) == 11 * 14
    assert [job.n_samples for job in found[:11]] == [50 + 245 * i for i in range(11)]
    assert [job.seed for job in found] == sorted(job.seed for job in found)


def test_streams_depend_on_the_job_alone():
    job = Job(60, 12, 3)

    def state(job):
        return [tuple(stream.generate_state(2)) for stream in job.streams()]

    assert state(job) == state(Job(60, 12, 3))
    assert len({*state(job), *state(Job(60, 13, 3)), *state(Job(60, 12, 4))}) == 6


def test_jobs_are_reproducible_in_any_company():
    """A setting's error does not depend on which others are solved beside it, up to rounding."""
    both = experiments.run_job(JOBS[0], PAIR)
    assert both == experiments.run_job(JOBS[0], PAIR)
    alone = experiments.run_job(JOBS[0], PAIR[1:])
    assert alone[0]["error"] == pytest.approx(both[1]["error"], rel=1e-6)
    assert max(row["residual"] for row in both) <= 1e-10


def test_a_jobs_errors_are_those_of_the_minimisers():
    job = JOBS[0]
    inputs_seed, teachers_seed = job.streams()
    X = sample_inputs(job.n_samples, job.n_dims, np.random.default_rng(inputs_seed))
    for setting, row in zip(PAIR, experiments.run_job(job, PAIR), strict=True):
        beta, sqrt_k = setting.problem(job.n_dims, np.random.default_rng(teachers_seed))
        found = implicit_bias(X, X @ beta, sqrt_k).beta
        assert row["error"] == pytest.approx(np.mean((found - beta) ** 2), rel=1e-8)


def test_teachers_are_coupled():
    job = Job(400, 40, 0)
    setting, other = Setting(0.1, 1.0), Setting(0.1, 1.0, c_pt=1.0)
    draws = [s.problem(400, np.random.default_rng(job.streams()[1]))[0] for s in (setting, other)]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_partition_the_jobs(count):
    found = experiments.jobs(100, n_seeds=3)
    parts = [experiments.shard(found, f"{i}/{count}") for i in range(1, count + 1)]
    assert sorted(job for part in parts for job in part) == sorted(found)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["", "0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_bad_shards(part):
    with pytest.raises(ValueError, match="shard must be"):
        experiments.shard(JOBS, part)


@pytest.mark.parametrize(
    "arguments", [{"alpha": [0.0]}, {"alpha": [1.0]}, {"n_dims": 0}, {"n_seeds": 1.5}]
)
def test_bad_jobs(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        experiments.jobs(**arguments)


# --- Many problems at once -----------------------------------------------------------------------


def test_batch_is_the_single_problem_columnwise():
    rng = np.random.default_rng(11)
    X = sample_inputs(100, 400, rng)
    drawn = [s.problem(400, rng) for s in experiments.settings("all")[::8]]
    beta, scale = (np.stack(arrays, axis=1) for arrays in zip(*drawn, strict=True))
    found = implicit_biases(X, X @ beta, scale, tolerance=1e-12)
    for i in range(beta.shape[1]):
        single = implicit_bias(X, X @ beta[:, i], scale[:, i], method="newton").beta
        assert np.linalg.norm(found.beta[:, i] - single) < 1e-6 * np.linalg.norm(single)
    # all but one by message passing itself: the solver that takes over would hide a wrong step
    assert np.sort(found.iterations)[-2] < 250


def test_batch_falls_back_where_message_passing_does_not_converge():
    rng = np.random.default_rng(12)
    X = sample_inputs(10, 40, rng) * np.logspace(0, 2, 40)
    Y = rng.standard_normal((10, 3))
    found = implicit_biases(X, Y, np.full((40, 3), 1e-3), max_iterations=20)
    assert found.residual.max() <= 1e-10
    for i in range(3):
        single = implicit_bias(X, Y[:, i], np.full(40, 1e-3)).beta
        np.testing.assert_allclose(found.beta[:, i], single, atol=1e-8)


def test_batch_of_an_empty_teacher():
    """A sparse teacher in few dimensions may have no active coefficient."""
    X = sample_inputs(5, 20, np.random.default_rng(13))
    Y = np.stack([np.zeros(5), np.ones(5)], axis=1)
    found = implicit_biases(X, Y, np.ones((20, 2)))
    assert not found.beta[:, 0].any()
    assert found.beta[:, 1].any()
    np.testing.assert_array_equal(found.residual <= 1e-10, True)


@pytest.mark.parametrize(
    ("X", "Y", "sqrt_k", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 1)), np.ones((3, 1)), "Y must have shape"),
        (np.ones((2, 3)), np.ones((2, 1)), np.ones((3, 2)), "Y must have shape"),
        (np.ones((3, 3)), np.ones((3, 1)), np.ones((3, 1)), "fewer samples"),
        (np.ones((2, 3)), np.ones((2, 1)), np.zeros((3, 1)), "sqrt_k"),
        (np.ones(3), np.ones((3, 1)), np.ones((3, 1)), "two dimensions"),
    ],
)
def test_bad_batches(X, Y, sqrt_k, message):
    with pytest.raises(ValueError, match=message):
        implicit_biases(X, Y, sqrt_k)


# --- Sweeps --------------------------------------------------------------------------------------


def test_processes_give_the_same_table(tmp_path, undisturbed):
    sweep = Sweep(tmp_path / "two", PAIR)
    sweep.run(JOBS, n_jobs=2, progress=False)
    assert same(sweep.table(), undisturbed)


def test_shards_give_the_same_table(tmp_path, undisturbed):
    for part in ("2/2", "1/2"):
        Sweep(tmp_path / "sweep", PAIR).run(experiments.shard(JOBS, part), n_jobs=1, progress=False)
    assert same(experiments.open_sweep(tmp_path / "sweep").table(), undisturbed)


def start_sweep(folder, n_seeds=4):
    """Start the command in a session of its own, so that it can be killed with its workers."""
    command = f"-m ptft sweep {folder} --experiment 4 --dims 60 --alphas 3 --quiet --jobs 1"
    return subprocess.Popen(
        [sys.executable, *command.split(), "--seeds", str(n_seeds)],
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_resumes_after_being_killed(tmp_path):
    """Kill -9 at random moments leaves whole files; what is there is not computed again."""
    clean, broken = tmp_path / "clean", tmp_path / "broken"
    settings, jobs = (
        experiments.settings("4"),
        experiments.jobs(60, np.linspace(0.01, 0.5, 3), 4),
    )
    Sweep(clean, settings).run(jobs, n_jobs=1, progress=False)
    moments, kept = random.Random(5), {}
    for _ in range(3):
        process = start_sweep(broken)
        before = len(list(broken.glob("d*.json"))) if broken.exists() else 0
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline and process.poll() is None:
            if broken.exists() and len(list(broken.glob("d*.json"))) > before:
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.05))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for path in broken.glob("d*.json"):
            json.loads(path.read_text())
            assert kept.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert len(kept) > 0
    process = start_sweep(broken)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert b"12 of 12 jobs" in output
    for name, when in kept.items():
        assert (broken / name).stat().st_mtime_ns == when
    assert same(Sweep(broken, settings).table(), Sweep(clean, settings).table())


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed", "ignore::ResourceWarning")
def test_a_dask_cluster_gives_the_same_table_and_survives_a_worker(tmp_path, undisturbed):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        sweep = Sweep(tmp_path / "dask", PAIR)
        sweep.run(JOBS, progress=False)
        assert same(sweep.table(), undisturbed)
        workers = list(client.run(os.getpid).values())
        assert os.getpid() not in workers
        os.kill(workers[0], signal.SIGKILL)
        again = Sweep(tmp_path / "again", PAIR)
        again.run(JOBS, progress=False)
        assert same(again.table(), undisturbed)


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def finished(tmp_path):
    sweep = Sweep(tmp_path / "finished", PAIR)
    sweep.run(JOBS[:1], n_jobs=1, progress=False)
    return sweep


def test_a_folder_of_another_sweep_is_refused(finished):
    before = snapshot(finished.folder)
    with pytest.raises(ValueError, match="with other settings; give another folder"):
        Sweep(finished.folder, PAIR[:1])
    assert snapshot(finished.folder) == before


def test_a_folder_of_other_code_is_refused(finished, monkeypatch):
    before = snapshot(finished.folder)
    monkeypatch.setattr(experiments, "code_version", lambda: "another")
    with pytest.raises(ValueError, match="with other code"):
        Sweep(finished.folder, PAIR)
    assert snapshot(finished.folder) == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(ValueError, match="empty or hold a sweep"):
        Sweep(tmp_path, PAIR)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["", '{"job": {"n_di'])
def test_a_file_cut_off_is_no_result(finished, content):
    path, before = finished.path(JOBS[0]), snapshot(finished.folder)
    path.write_text(content)
    assert finished.pending(JOBS[:1]) == JOBS[:1]
    with pytest.raises(ValueError, match=r"folder must hold finished jobs, got .*; run ptft sweep"):
        finished.table()
    finished.run(JOBS[:1], n_jobs=1, progress=False)
    assert snapshot(finished.folder) == before


@pytest.mark.parametrize("content", ['{"job": {}}', '{"rows": []}', "{not json}"])
def test_a_file_of_something_else_is_named_and_kept(finished, content):
    path = finished.path(JOBS[0])
    path.write_text(content)
    with pytest.raises(ValueError, match=path.name):
        finished.table()
    assert path.read_text() == content


# --- Tables --------------------------------------------------------------------------------------


def test_with_theory(undisturbed):
    rows = experiments.with_theory(undisturbed)
    assert len(rows) == len(PAIR) * 2
    row = rows.iloc[0]
    mine = undisturbed[(undisturbed.overlap == row.overlap) & (undisturbed.alpha == row.alpha)]
    assert row["mean"] == pytest.approx(mine.error.mean())
    assert row.standard_error == pytest.approx(scipy.stats.sem(mine.error))
    setting = Setting(row.rho_ft, row.overlap, gamma_ft=row.gamma_ft)
    assert row.theory == pytest.approx(fixed_point(setting.groups(), row.alpha).error)
    assert row.z == pytest.approx((row["mean"] - row.theory) / row.standard_error)


def test_summary_there_and_back(tmp_path, undisturbed):
    kept = experiments.summary(undisturbed)
    assert kept.n_seeds.tolist() == [2] * 4
    path = tmp_path / "summary.csv"
    path.write_text("# command: a: b\n" + kept.to_csv(index=False))
    table, facts = experiments.read_summary(path)
    assert facts == {"command": "a: b"}
    columns = [name for name in table if name not in ("residual", "iterations")]
    pd.testing.assert_frame_equal(table[columns], undisturbed[columns])


def test_summary_leaves_incomplete_seeds_out(undisturbed):
    partial = undisturbed.iloc[:-1]
    assert experiments.summary(partial).n_seeds.tolist() == [1] * 4
    with pytest.raises(ValueError, match="table must have a seed"):
        experiments.summary(undisturbed[(undisturbed.seed == 0) == (undisturbed.overlap == 0.0)])


def test_drawn_theory_explains_the_teacher():
    """Few samples: the error is close to the drawn teacher's mean square, whatever that is."""
    setting = Setting(0.01, 1.0, gamma_ft=10.0)
    for seed in range(3):
        job = Job(2000, 20, seed)
        beta, _ = setting.problem(2000, np.random.default_rng(job.streams()[1]))
        assert experiments.drawn_theory(setting, job) == pytest.approx(np.mean(beta**2), rel=0.03)


def test_drawn_groups_are_those_of_the_teacher():
    """Shares and second moments add up to the teacher's own, not to the average one's."""
    setting = Setting(0.1, 0.5)
    beta, scale = setting.problem(500, np.random.default_rng(0))
    groups = experiments.drawn_groups(beta, scale)
    assert len(groups) == len(set(zip(scale, beta != 0.0, strict=True)))
    assert sum(g.probability for g in groups) == pytest.approx(1.0)
    power = sum(g.probability * g.prior.second_moment for g in groups)
    assert power == pytest.approx(np.mean(beta**2))


def test_drawn_mean_is_over_the_seeds_of_a_point(undisturbed):
    point = experiments.with_theory(undisturbed).iloc[0]
    setting = Setting(**{name: point[name] for name in Setting.__dataclass_fields__})
    sizes = int(point.n_dims), int(point.n_samples)
    each = [experiments.drawn_theory(setting, Job(*sizes, s)) for s in range(int(point.n_seeds))]
    assert experiments.drawn_mean(point) == pytest.approx(np.mean(each), rel=1e-12)
    assert len(set(each)) > 1


# --- The command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["sweep"], ["table"], ["curve"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: ptft" in capsys.readouterr().out


def test_sweep_and_table(tmp_path, capsys):
    folder, output = tmp_path / "results", tmp_path / "results.csv"
    sweep = f"sweep {folder} --experiment fig5 --dims 60 --alphas 2 --seeds 1 --jobs 1 --quiet"
    assert main(sweep.split()) == 0
    assert main(f"table {folder} --output {output}".split()) == 0
    assert len(pd.read_csv(output)) == 12 * 2
    capsys.readouterr()
    assert main(f"table {folder} --summary".split()) == 0
    printed = capsys.readouterr().out
    words = "sweep FOLDER --experiment fig5 --dims 60 --alphas 2 --seeds 1; python -m ptft table"
    assert printed.startswith(f"# command: python -m ptft {words}")
    assert f"# code: {experiments.code_version()}" in printed


def test_curve(capsys):
    assert main(["curve", "--rho-ft", "0.1", "--overlap", "1", "--alpha", "0.2"]) == 0
    error = float(capsys.readouterr().out.splitlines()[1].split()[1])
    assert error == pytest.approx(fixed_point(Setting(0.1, 1.0).groups(), 0.2).error, rel=1e-9)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sweep {} --experiment 7", "experiment must be one of"),
        ("sweep {} --shard 3/2", "shard must be"),
        ("table {}", "folder must hold"),
        ("curve --rho-ft 0.9 --overlap 1", "overlap = 1 is impossible"),
    ],
)
def test_errors_end_with_status_2(tmp_path, capsys, command, message):
    assert main(command.format(tmp_path / "new").split()) == 2
    assert message in capsys.readouterr().err


def test_usage_errors_end_with_status_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["sweep"])
    assert stopped.value.code == 2
    assert "folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "init"),
    [
        (["--regime", "IV"], REGIMES["IV"].init),
        (["--regime", "I", "--gamma", "0.5"], Initialization(1e-3, -0.999999, 0.5)),
        (["--lambda", "-9.9e-1"], Initialization(1e-3, -0.99)),
        (["--lambda=-1e-3", "--c", "1E-2"], Initialization(1e-2, -1e-3)),
    ],
)
def test_networks_by_regime_and_by_number(capsys, words, init):
    assert main(["curve", "--alpha", "0.1", "0.2", "--json", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    curve = learning_curve(Task(0.1, 0.1, 1.0), init, [0.1, 0.2])
    assert printed["error"] == curve.error.tolist()
    assert printed["s2"] == curve.s2.tolist()
    assert printed["initialization"]["lambda_pt"] == init.lambda_pt


@pytest.mark.parametrize("option", ["--gamma", "--noise", "--rho-pt", "--alpha", "--lambda"])
def test_a_bad_negative_number_is_named(capsys, option):
    assert main(["curve", option, "-1.5e0"]) == 2
    assert "must be finite and in" in capsys.readouterr().err


def test_curve_as_csv_and_as_a_picture(tmp_path, capsys):
    assert main(["curve", "--csv", "--plot", str(tmp_path / "curve.svg")]) == 0
    table = np.genfromtxt(io.StringIO(capsys.readouterr().out), delimiter=",", names=True)
    expected = learning_curve(Task(0.1, 0.1, 1.0), Initialization(1e-3, 0.0), table["alpha"])
    np.testing.assert_allclose(table["error"], expected.error, rtol=1e-14)
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_bare_command_and_version(capsys):
    assert main([]) == 0
    assert "usage: ptft" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"ptft {ptft.__version__}\n"


def test_curve_loads_nothing_heavy():
    code = "import sys; from ptft.command import main; main(['curve']); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"scipy.integrate", "scipy.optimize", "scipy.special", "pandas", "torch"}
    assert not heavy & set(loaded)


def test_sweep_says_what_it_will_do(tmp_path, capsys):
    words = f"sweep {tmp_path} --experiment 4 --dims 60 --alphas 2 --seeds 2 --jobs 1".split()
    assert main(words) == 0
    assert re.match(r"4 jobs, 4 of them to do, about \d+ s on 1 cores\n", capsys.readouterr().err)
    assert main(words) == 0
    assert capsys.readouterr().err == "4 jobs, 0 of them to do\n"


def test_few_dimensions_have_each_job_once():
    found = experiments.jobs(10)
    assert len(set(found)) == len(found)
    assert {job.n_samples for job in found} == {1, 2, 3, 4, 5}


def test_a_summarys_facts_describe_its_rows(tmp_path, capsys):
    """An incomplete seed is in neither."""
    words = f"sweep {tmp_path} --experiment 4 --dims 60 --alphas 2 --seeds 2 --jobs 1 --quiet"
    assert main(words.split()) == 0
    sorted(tmp_path.glob("d60-*-s1.json"))[0].unlink()
    capsys.readouterr()
    assert main(["table", str(tmp_path), "--summary"]) == 0
    printed = capsys.readouterr().out
    assert "--alphas 2 --seeds 1;" in printed
    assert (pd.read_csv(io.StringIO(printed), comment="#").n_seeds == 1).all()


def test_tables_of_another_kind_of_folder(tmp_path, capsys):
    storage.claim(tmp_path / "v", "vision", {"plan": {}})
    assert main(["table", str(tmp_path / "v")]) == 2
    assert "is for ptft vision and ptft vision-table" in capsys.readouterr().err
    Sweep(tmp_path / "s", PAIR)
    assert main(["table", str(tmp_path / "s")]) == 2
    assert "must hold finished jobs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "low", "high", "count", "part"),
    [(0, 0, 3, 4, "1/4"), (3, 0, 3, 4, "4/4"), (7, 1, 10, 4, "3/4"), (5, 5, 5, 1, "1/1")],
)
def test_shards_of_a_job_array(monkeypatch, task, low, high, count, part):
    for name, value in {"ID": task, "MIN": low, "MAX": high, "COUNT": count}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert experiments.shard(JOBS, "auto") == experiments.shard(JOBS, part)


@pytest.mark.parametrize("values", [{}, {"ID": "2", "MIN": "1", "MAX": "8", "COUNT": "3"}])
def test_no_job_array(monkeypatch, values):
    for name in ("ID", "MIN", "MAX", "COUNT"):
        monkeypatch.delenv(f"SLURM_ARRAY_TASK_{name}", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    with pytest.raises(ValueError, match="shard auto must"):
        experiments.shard(JOBS, "auto")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped")],
)
@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_a_signal_ends_the_sweep_and_its_workers(tmp_path, number, status, said, n_jobs):
    folder = tmp_path / "sweep"
    command = f"-m ptft sweep {folder} --experiment 4 --dims 400 --seeds 400 --jobs {n_jobs}"
    process = subprocess.Popen(
        [sys.executable, *command.split()],
        env=ENVIRONMENT,
        start_new_session=True,
        # tests that run in the background are told to ignore Ctrl-C, and so are their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60.0
    while not list(folder.glob("d*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, said_by_it = process.communicate(timeout=30)
    assert process.returncode == status, said_by_it
    assert said_by_it.splitlines()[-1] == f"ptft: {said}; run again to go on"
    assert "Traceback" not in said_by_it
    deadline = time.monotonic() + 10.0
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(process.pid) == []


def alive(session):
    """Return the processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, *rest = path.read_text().rpartition(")")[2].split()
            if int(rest[2]) == session and state != "Z":
                found.append(path.parent.name)
    return found


def test_a_reader_that_leaves_is_no_error():
    shell = ["bash", "-c", f"set -o pipefail; {sys.executable} -m ptft curve | true"]
    found = subprocess.run(shell, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    assert found.returncode == 141


def test_commits_are_this_packages_own(tmp_path, monkeypatch):
    """An environment inside somebody else's repository is not that repository's code."""

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    path = tmp_path / "ptft" / "sweeps" / "provenance.py"
    path.parent.mkdir(parents=True)
    path.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(path))
    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    assert provenance.facts()["commit"] == "unknown"
    git("add", ".")
    git("commit", "-m", "ours")
    assert re.fullmatch("[0-9a-f]{7,}", provenance.facts()["commit"])
    path.write_text("# changed")
    assert provenance.facts()["commit"].endswith(" and changes")


def test_tables_have_no_blank_lines(tmp_path):
    provenance.write_table(pd.DataFrame({"a": [1, 2]}), tmp_path / "table.csv", {"by": "me"})
    assert (tmp_path / "table.csv").read_bytes() == b"# by: me\na\n1\n2\n"


def test_logs_get_a_line_a_minute_and_no_bar(capsys, monkeypatch):
    clock = iter([0.0, 30.0, 61.0, 61.0, 100.0, 122.0, 122.0, 123.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress(10, 2, name="a") as shown:
        for _ in range(4):
            shown.update(note="loss 1")
    printed = capsys.readouterr().err
    assert "\r" not in printed
    assert printed.splitlines()[0] == "a: 4 of 10 jobs, about 3 min left, loss 1"
    assert len(printed.splitlines()) == 3
