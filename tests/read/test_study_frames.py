import dataclasses
import json
import subprocess
import sys

import pandas as pd
import pytest
import studies

from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.study import record_files
from tuner.study.schema import RecordError
from tuner.system import locks


def test_trials_hold_what_the_records_hold(tmp_path):
    """Each metric is the plain mean over a trial's executions."""
    study = read_study(studies.write_study(tmp_path, n=3, executions=3))

    record = record_files.read_trial(record_files.trial_path(study.folder, 2))
    row = study.trials.set_index("trial").loc[2]
    for name in ("train_accuracy", "val_accuracy", "val_loss", "test_loss"):
        values = [getattr(e, name) for e in record.executions]
        assert row[name] == pytest.approx(sum(values) / 3)
    assert row["seconds"] == pytest.approx(sum(e.seconds for e in record.executions))
    assert row["executions"] == 3
    assert len(study.executions) == 9
    assert len(study.epochs) == 3 * 3 * 5


def test_the_gap_is_train_minus_test(tmp_path):
    """The gap is 0 where train equals test, and positive where train is higher."""

    def level(trial):
        run = trial.executions[0]
        test = run.train_accuracy if trial.trial else run.train_accuracy - 0.1
        run = dataclasses.replace(run, test_accuracy=test)
        return dataclasses.replace(trial, executions=(run,))

    gap = read_study(studies.write_study(tmp_path, n=2, change=level)).trials["gap"]

    assert gap.tolist() == pytest.approx([0.1, 0.0])


def test_a_running_study_without_a_process_is_interrupted(tmp_path):
    """A killed search cannot say so; the lock tells."""
    folder = studies.write_study(tmp_path, n=1, state="running")

    assert read_study(folder).state == "interrupted"
    command = (
        "import sys, pathlib; from tuner.system import locks\n"
        "with locks.hold(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline().strip() == b"held"
        assert locks.is_held(folder)
        assert read_study(folder).state == "running"
        holder.stdin.close()


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "trial": 1, "sta',
        '{"schema": 99}',
        "[]",
        '{"schema": 1, "trial": 1, "status": "completed", "config": [1]}',
        '{"schema": 1, "trial": 1, "status": "completed", "config": {}, "rungs": null}',
        '{"schema": 1, "trial": 1, "status": "completed", "config": {}, "executions":'
        ' [{"execution": 0, "seed": 1, "val_accuracy": "high"}]}',
    ],
)
def test_a_broken_trial_is_left_out_and_named(tmp_path, text):
    """One bad file costs one row, and the page can say which."""
    folder = studies.write_study(tmp_path, n=3)
    record_files.trial_path(folder, 1).write_text(text, encoding="utf-8")

    study = read_study(folder)

    assert study.trials["trial"].tolist() == [0, 2]
    assert len(study.unread) == 1
    assert study.unread[0].startswith("0001.json was left out: ")
    assert str(tmp_path) not in study.unread[0]


def test_a_broken_study_is_an_error_that_names_the_file(tmp_path):
    """Without study.json nothing can be said, and the reason is."""
    folder = studies.write_study(tmp_path, n=1)
    (folder / "study.json").write_text("{", encoding="utf-8")

    with pytest.raises(RecordError, match=r"study\.json must contain one JSON record"):
        read_study(folder)


@pytest.mark.parametrize(
    "candidates",
    [
        7,
        "none",
        [7],
        [{"name": "a", "config": {}}],
        [{"name": "a", "config": 7, "looks": [3]}],
        [{"name": "a", "config": {}, "looks": []}],
        [{"name": "a", "config": {}, "looks": ["3"]}],
    ],
)
def test_candidates_that_cannot_be_read_are_an_error(tmp_path, candidates):
    """Every page would fail on them later, each with words of its own."""
    folder = studies.write_study(tmp_path, n=1)
    path = folder / "study.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["settings"]["candidates"] = candidates
    path.write_text(json.dumps(stored), encoding="utf-8")

    with pytest.raises(RecordError, match=r"study\.json: settings .* candidate"):
        read_study(folder)


@pytest.mark.parametrize("n", [0, 1])
def test_few_trials_make_whole_frames(tmp_path, n):
    """No trials give empty frames with the same columns and types."""
    study = read_study(studies.write_study(tmp_path, n=n))
    full = read_study(studies.write_study(tmp_path, "full", n=4))

    assert len(study.trials) == n
    assert list(study.trials) == list(full.trials)
    assert study.trials["val_accuracy"].dtype == full.trials["val_accuracy"].dtype
    assert not study.hyperparameters


def test_hyperparameter_are_declared_and_vary(tmp_path):
    """What the space declares and never varied is left out."""

    def fix(trial):
        config = {**trial.config, "kernel_size": 3, "batch_size": trial.trial + 1}
        return dataclasses.replace(trial, config=config)

    study = read_study(studies.write_study(tmp_path, n=30, change=fix))
    names = [hyperparameter.name for hyperparameter in study.hyperparameters]

    assert "kernel_size" not in names  # declared, but never varied
    assert "batch_size" not in names  # varied, but not the search's to vary
    assert {"conv_layers", "filters_1", "pooling"} <= set(names)


def test_a_value_keeps_its_type(tmp_path):
    """A depth of 2 stays 2, also where other trials have no such layer."""
    study = read_study(studies.write_study(tmp_path, n=30))

    present = study.configs["filters_2"].dropna()
    assert 0 < len(present) < 30
    assert all(isinstance(value, int) for value in present)


def test_epochs_as_a_hyperparameter_and_as_a_count_are_kept_apart(tmp_path):
    """The config's epochs do not overwrite how many epochs a trial got."""
    folder = studies.write_study(tmp_path, n=1)
    record = record_files.read_trial(record_files.trial_path(folder, 0))
    studies.dump(
        folder, dataclasses.replace(record, config={**record.config, "epochs": 50})
    )

    study = read_study(folder)

    assert study.trials["epochs"].tolist() == [5]
    assert study.configs["epochs"].tolist() == [50]


def test_a_missing_score_in_one_execution_leaves_no_score(tmp_path):
    """The mean of the executions that went well is not the trial's result."""

    def cut(trial):
        first, second = trial.executions
        second = dataclasses.replace(second, val_accuracy=None)
        return dataclasses.replace(trial, executions=(first, second))

    study = read_study(studies.write_study(tmp_path, n=1, executions=2, change=cut))

    assert study.trials["val_accuracy"].isna().all()
    assert study.trials["test_accuracy"].notna().all()


def test_ranking_is_by_validation_then_size_then_number(tmp_path):
    """Test accuracy has no say, not even in a tie."""
    scores = {0: (0.5, 900), 1: (0.7, 900), 2: (0.7, 100), 3: (0.7, 100), 4: (0.6, 1)}

    def set_scores(trial):
        val, params = scores[trial.trial]
        run = dataclasses.replace(
            trial.executions[0],
            val_accuracy=val,
            params=params,
            test_accuracy=1 - trial.trial / 10,
        )
        return dataclasses.replace(trial, executions=(run,))

    study = read_study(studies.write_study(tmp_path, n=5, change=set_scores))

    assert rank(study).ranked["trial"].tolist() == [2, 3, 1, 4, 0]


def test_ranking_ignores_row_order(tmp_path):
    """The same trials in another order rank the same."""
    study = read_study(studies.write_study(tmp_path, n=40, failures=0.2))
    shuffled = dataclasses.replace(
        study, trials=study.trials.sample(frac=1, random_state=1)
    )

    pd.testing.assert_frame_equal(rank(study).listed, rank(shuffled).listed)


def test_a_loss_ranks_from_the_lowest(tmp_path):
    """An objective that is a loss has its own direction, and no interval."""
    settings = {**studies.SETTINGS, "objective": "val_loss"}
    study = read_study(studies.write_study(tmp_path, n=8, settings=settings))

    ranked = rank(study).ranked
    assert ranked["val_loss"].is_monotonic_increasing
    assert ranked["objective_low"].isna().all()


def test_rank_keeps_to_the_last_rung(tmp_path):
    """A trial that Hyperband cut short never outranks a full-length one."""
    study = read_study(studies.write_hyperband(tmp_path))
    ranking = rank(study)

    best = study.trials.loc[study.trials["val_accuracy"].idxmax()]
    assert best["epochs"] == 2  # the fixture's trap
    assert set(ranking.ranked["epochs"]) == {10}
    assert ranking.shorter == (study.trials["epochs"] < 10).sum()
    assert len(ranking.listed) == len(study.trials)


def test_no_full_length_trial_yet_ranks_none(tmp_path):
    """While only short rungs have ended, none of them is called the highest."""
    folder = studies.write_hyperband(tmp_path)
    for path in record_files.trial_paths(folder):
        if record_files.read_trial(path).rungs[-1].epochs == 10:
            path.unlink()
    ranking = rank(read_study(folder))

    assert not len(ranking.ranked)
    assert ranking.shorter == 21


def test_published_is_listed_and_not_ranked(tmp_path):
    """Without validation nothing is chosen, and the declared order stays."""
    ranking = rank(read_study(studies.write_published(tmp_path)))

    assert not ranking.by_validation
    assert not len(ranking.ranked)
    assert ranking.listed["trial"].tolist() == list(range(9))


def test_of_equal_epochs_the_last_is_the_peak(tmp_path):
    """A trial whose last epoch is as good as any did not peak earlier."""

    def change(trial):
        run = trial.executions[0]
        curve = [0.1, 0.5, *[0.5] * (run.epochs - 2)]
        run = dataclasses.replace(run, history={**run.history, "val_accuracy": curve})
        return dataclasses.replace(trial, executions=(run,))

    study = read_study(studies.write_study(tmp_path, n=2, change=change))
    assert (study.trials["peak_epoch"] == study.trials["epochs"]).all()
