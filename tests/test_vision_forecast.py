"""How long a plan would take, before it starts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_vision import colours, plan, tiny, use_tiny

from ptft.command import main
from ptft.sweeps import provenance
from ptft.vision import forecast as forecasts
from ptft.vision.experiment import Study
from ptft.vision.forecast import forecast
from ptft.vision.plan import one_at_a_time
from ptft.vision.training import Recipe

IMAGES = colours()


def study(folder, plan):
    return Study(folder, plan, IMAGES, threads=1, network=tiny)


@pytest.fixture
def timed(monkeypatch):
    """Make every measurement come out the same, in seconds."""
    monkeypatch.setattr(forecasts, "_epoch", lambda study, images, labels: len(images) / 100.0)
    # Twice as long for n = 4 as for n = 2, and a tenth of a second for a look at the network.
    monkeypatch.setattr(forecasts, "_timed", lambda study, n: (0.5 * n, 0.1))


def test_a_few_steps_are_timed(tmp_path):
    mine = study(tmp_path / "a", plan())
    before = torch.get_num_threads()
    table = forecast(mine, mine.jobs())
    assert torch.get_num_threads() == before
    assert table.index.tolist() == list(forecasts.STAGES)
    assert table.trainings.tolist() == [4, 16]  # (2 splits x 2 starts), x 2 pairs x (1 + 3)
    assert np.isfinite(table.to_numpy(dtype=float)).all()
    assert (table.images_per_second > 0).all()
    assert (table.hours > 0).all()
    assert table.epochs.tolist() == [2.0, 3.0]
    assert not list((tmp_path / "a").glob("s*-*"))  # nothing of it stays
    assert "pretraining: 4 to do, " in forecasts.told(table)


def test_hours_are_the_sum_over_what_is_pending(tmp_path, timed):
    recipe = Recipe(batch=2, max_epochs=300)
    slow = plan(samples=(2, 3, 4, 8), n_splits=1, pretraining=recipe, fine_tuning=recipe)
    mine = study(tmp_path / "a", slow)
    pretraining, fine_tuning = forecast(mine, mine.jobs()).itertuples()
    images = 3 * 10  # of the classes that are not held out
    usual = forecasts.USUAL_EPOCHS
    assert pretraining.images_per_second == pytest.approx(100.0)
    assert pretraining.hours * 3600 == pytest.approx(2 * images / 100 * usual)
    assert pretraining.hours_at_most == pytest.approx(3 * pretraining.hours)
    epoch = 1.0 + 1.5 + 2.0 + 4.0  # beyond two batches in proportion
    looks = 4 * 0.1 * ((1 + 1) + (1 + 3))  # for each size: before, and after each setting
    one_pair = usual * epoch * (1 + 3) + looks
    assert fine_tuning.hours * 3600 == pytest.approx(2 * one_pair)
    assert fine_tuning.hours < fine_tuning.hours_at_most < 3 * fine_tuning.hours


def test_processes_share_fine_tuning_as_far_as_there_are_cores(tmp_path, timed, monkeypatch):
    mine = study(tmp_path / "a", plan())
    monkeypatch.setattr(forecasts.joblib, "cpu_count", lambda: 2)
    one, two, many = (forecast(mine, mine.jobs(), n).hours for n in (1, 2, 5))
    assert two["fine-tuning"] == many["fine-tuning"] == one["fine-tuning"] / 2
    assert two["pretraining"] == one["pretraining"]


def test_what_is_on_record_counts(tmp_path, timed):
    mine = study(tmp_path / "a", plan(fine_tuning=Recipe(loss=10.0, max_epochs=50)))
    jobs = mine.jobs()
    half = [job for job in jobs if job.split == 0]
    assert forecast(mine, jobs).epochs["fine-tuning"] == 50
    mine.run(half, progress=False)
    table = forecast(mine, jobs)
    assert table.trainings.tolist() == [2, 8]
    assert table.epochs["fine-tuning"] == 1  # so large a loss is reached at once
    mine.run(jobs, progress=False)
    table = forecast(mine, jobs)
    assert table.trainings.tolist() == [0, 0]
    assert table.hours.tolist() == [0.0, 0.0]
    assert forecasts.told(table) == ""


# --- The command line ----------------------------------------------------------------------------


@pytest.fixture
def small_preset(monkeypatch):
    """Make `smoke` a plan of seconds on a tiny network."""
    use_tiny(monkeypatch, plan(n_splits=1, samples=(4,), per_class=(2, 1)))


def test_it_is_said_before_the_start(tmp_path, capsys, small_preset):
    folder = tmp_path / "a"
    assert main(f"vision {folder} --forecast --threads 1".split()) == 0
    assert "fine-tuning: 8 to do, " in capsys.readouterr().out
    assert not list(folder.glob("s*-*"))
    assert main(f"vision {folder} --threads 1".split()) == 0
    said = capsys.readouterr()
    assert "pretraining: 2 to do, " in said.err
    assert "4 of 4 jobs are in" in said.out
    assert main(f"vision {folder} --forecast --threads 1".split()) == 0
    assert "nothing is left to do" in capsys.readouterr().out


def test_a_forecast_that_fails_does_not_end_the_run(tmp_path, capsys, small_preset, monkeypatch):
    def lost(*arguments):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(forecasts, "_epoch", lost)
    assert main(f"vision {tmp_path / 'a'} --threads 1".split()) == 0
    said = capsys.readouterr()
    assert "no forecast: device lost" in said.err
    assert "4 of 4 jobs are in" in said.out

    def wrong(*arguments):
        raise TypeError("wrong")

    monkeypatch.setattr(forecasts, "_epoch", wrong)
    with pytest.raises(TypeError, match="wrong"):
        main(f"vision {tmp_path / 'b'} --threads 1".split())


def test_every_preset(tmp_path, monkeypatch):
    quick = plan(n_splits=1, samples=(4,), per_class=(2, 1), settings=one_at_a_time())
    monkeypatch.setattr(forecasts, "PRESETS", {"quick": quick, "wide": replace(quick, n_splits=9)})
    output = tmp_path / "presets.csv"
    assert main(f"vision-forecast --threads 1 --output {output}".split()) == 0
    table, facts = provenance.read_table(output)
    assert table.preset.tolist() == ["quick", "quick", "wide", "wide"]
    assert table.stage.tolist() == [*forecasts.STAGES, *forecasts.STAGES]
    assert table.trainings.tolist() == [1, 2, 9, 18]
    assert table.memory.between(0.2, 4.0).all()
    assert facts["command"] == "python -m ptft vision-forecast --device cpu --threads 1"
    assert {"hardware", "versions", "commit", "date"} < set(facts)


def test_no_such_device(capsys):
    assert main(["vision-forecast", "--device", "abacus"]) == 2
    assert "device must be cpu" in capsys.readouterr().err
