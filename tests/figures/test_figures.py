import base64
import re

import numpy as np
import pandas as pd
import pytest
import studies
from matplotlib.figure import Figure

from reports.figures import (
    best_of_each,
    catalog,
    cost,
    differences,
    dumbbell,
    gaps,
    hyperparameters,
    learning_curves,
    placing,
    progress,
)
from reports.figures.style import Size, density, duration_axis, new_axes, render
from reports.read import labels as wording
from reports.read import trial_names
from reports.read.study import read_study
from reports.stats import outliers
from reports.stats.analysis import Analysis
from reports.stats.comparisons import Comparison
from reports.stats.differences import Difference
from reports.stats.groups import group, read_studies
from tuner.study.objective import Objective


def load(tmp_path, n=50, **fields):
    return Analysis(read_study(studies.write_study(tmp_path, n=n, **fields)))


def drawn(figure, data):
    """Draw a figure at its own size, and return its axes."""
    axes = new_axes(data.size)
    figure.draw(data, axes)
    flat = axes if isinstance(axes, list) else [axes]
    flat[0].get_figure().draw_without_rendering()
    return axes


@pytest.mark.parametrize(
    ("n", "shown"), [(1, 1), (5, 5), (30, 30), (50, 30), (500, 31), (1500, 21)]
)
def test_the_dumbbell_keeps_its_scale(tmp_path, n, shown):
    """It shows all of few trials, else the top and widest gaps; always the baseline."""
    ranking = load(tmp_path, n).ranking
    view = dumbbell.gather(load(tmp_path, n))

    assert view.total == n
    assert shown <= len(view.frame) <= shown + 1
    assert view.frame["is_baseline"].sum() == 1
    if n == 50:
        widest = ranking.ranked.nlargest(5, "gap")["trial"]
        assert set(widest) <= set(view.frame["trial"])
    place = ranking.ranked.set_index("trial")["place"]
    assert view.frame["trial"].map(place).is_monotonic_increasing


def test_the_dumbbells_gap_is_the_length_of_its_line(tmp_path):
    """The number on the right is the length of the line."""
    frame = dumbbell.gather(load(tmp_path)).frame

    assert np.allclose(frame["train"] - frame["test"], 100 * frame["gap"])


def test_best_so_far_is_the_running_maximum(tmp_path):
    """The step is the cumulative maximum of the ranked, in the order of ending."""
    analysis = load(tmp_path, failures=0.3)
    frame = progress.gather(analysis).frame

    by_hand, best = [], np.nan
    scores = analysis.study.trials.sort_values("order")
    for score in 100 * scores["val_accuracy"]:
        best = np.fmax(best, score)
        by_hand.append(best)
    assert frame["best"].tolist() == pytest.approx(by_hand)
    assert (frame["kind"] == "failed").sum() == (scores["status"] == "failed").sum()


def test_hyperband_is_drawn_against_the_epochs_it_took(tmp_path):
    """The last trial is drawn at the total epochs of the study."""
    study = read_study(studies.write_hyperband(tmp_path))
    data = progress.gather(Analysis(study))
    assert data.frame["epochs"].is_monotonic_increasing
    assert data.frame["epochs"].iloc[-1] == study.trials["epochs"].sum()
    ax = drawn(progress, data)
    assert ax.get_xlabel() == "Total epochs of all finished trials"


def test_shorter_rungs_never_raise_the_best_so_far(tmp_path):
    """A lucky two-epoch score is drawn hollow and below no line."""
    study = read_study(studies.write_hyperband(tmp_path))
    frame = progress.gather(Analysis(study)).frame

    assert frame["score"].max() > 85  # the fixture's trap
    assert frame["best"].max() < 85


def test_nothing_dominates_the_trials_on_the_front():
    """The front agrees with a comparison of all pairs."""
    rng = np.random.default_rng(0)
    took = pd.Series(rng.integers(1, 30, 60).astype(float))
    gain = pd.Series(rng.integers(1, 30, 60).astype(float))
    front = cost.pareto(took, gain)

    for i in range(60):
        dominated = ((took <= took[i]) & (gain > gain[i])) | (
            (took < took[i]) & (gain >= gain[i])
        )
        if front[i]:
            assert not dominated.any()
        else:
            twin = (took == took[i]) & (gain == gain[i]) & front
            assert dominated.any() or twin.any()


def test_far_outliers_are_clipped_and_counted():
    """One diverged trial does not flatten the others, and is still drawn."""
    values = pd.Series([*np.linspace(60, 70, 20), 10.0])
    shown, clipped = outliers.clip(values)

    assert clipped.sum() == 1
    assert shown.iloc[-1] == pytest.approx(59.4)
    assert (shown[:-1] == values[:-1]).all()


def test_nothing_is_clipped_among_few():
    """Seven values are too few to call one an outlier."""
    assert not outliers.clip(pd.Series([1.0, 1, 1, 1, 1, 1, 99]))[1].any()


@pytest.mark.parametrize("n", [1, 2, 5, 50, 500])
def test_labels_do_not_overlap(tmp_path, n):
    """No row label or tick label overlaps another."""
    ax = drawn(dumbbell, dumbbell.gather(load(tmp_path, n)))
    for labels in (ax.get_yticklabels(), ax.get_xticklabels()):
        boxes = [t.get_window_extent() for t in labels if t.get_text()]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(("low", "high"), [(240, 9_000), (300, 900_000), (5, 50)])
def test_a_clocks_ticks_are_several_and_seen(low, high):
    """A time axis has at least three visible ticks, even over few decades."""
    ax = Figure(figsize=(5, 3)).subplots()
    ax.plot(np.geomspace(low, high, 30), range(30))
    duration_axis(ax.xaxis)

    left, right = ax.get_xlim()
    assert sum(left <= tick <= right for tick in ax.get_xticks()) >= 3


def test_a_hexagon_of_one_trial_is_seen():
    """The colour for the fewest stands out from the page's white."""
    ax = Figure().subplots()
    density(ax, [0.0, 1, 1, 1, 1, 1], [0.0, 1, 1, 1, 1, 1])

    hexagons = ax.collections[0]
    palest = hexagons.get_cmap()(0.0)
    assert min(palest[:3]) < 0.8


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6, 60])
def test_the_lowest_curves_of_every_column_have_epochs(tmp_path, n):
    """If the last row is not full, the panels above its gap keep their ticks."""
    data = learning_curves.gather(load(tmp_path, n))
    axes, frame = drawn(learning_curves, data), data.frame
    axes = axes if n > 1 else [axes]
    n = min(n, 6)

    low = frame[["train", "validation", "test"]].min().min()
    assert low - 10 < axes[0].get_ylim()[0] < low

    lowest = [ax for i, ax in enumerate(axes[:n]) if i + min(n, 3) >= n]
    for ax in axes[:n]:
        assert bool(ax.get_xlabel()) == (ax in lowest)
        shown = [t for t in ax.xaxis.get_major_ticks() if t.label1.get_visible()]
        assert bool(shown) == (ax in lowest)


def test_hyperparameter_panels_are_all_of_one_kind(tmp_path):
    """If one panel has boxes, all have them, and whiskers reach all trials."""
    data = hyperparameters.gather(load(tmp_path, 500))  # few have a third layer
    sizes = [len(panel.frame) for panel in data.panels]

    assert min(sizes) < 300 < max(sizes)
    for panel, ax in zip(data.panels, drawn(hyperparameters, data), strict=True):
        choices, frame = panel.hyperparameter.choices, panel.frame
        assert len(ax.patches if choices else ax.collections) > 1
        if choices:
            lines = np.concatenate([line.get_ydata() for line in ax.lines])
            assert np.nanmin(lines) == frame["score"].min()
            assert np.nanmax(lines) == frame["score"].max()


def test_the_names_of_a_front_stay_within_its_axes(tmp_path):
    """The name of a trial at the left edge does not cover the ticks."""
    data = cost.gather(load(tmp_path, 50))
    data.frame["trial"] += 50_000
    ax = drawn(cost, data)

    left = ax.get_window_extent().x0
    assert len(ax.texts) > 1
    assert all(text.get_window_extent().x0 >= left for text in ax.texts)


@pytest.mark.parametrize("n", [2, 5, 12, 50, 500, 1500])
@pytest.mark.parametrize("seed", [0, 2])
def test_names_lie_apart_within_the_axes(tmp_path, n, seed):
    """The names of leader, baseline and trials on the front do not overlap."""
    analysis = load(tmp_path, n, seed=seed)
    for figure in (gaps, cost):
        ax = drawn(figure, figure.gather(analysis))

        inside = ax.get_window_extent()
        boxes = [text.get_window_extent() for text in ax.texts]
        assert boxes
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
            assert inside.x0 - 1 <= box.x0
            assert box.x1 <= inside.x1 + 1


def test_a_name_goes_where_no_mark_is():
    """Of the places around a mark, a name takes one that covers nothing."""
    ax = Figure(figsize=(5, 4)).subplots()
    crowd = [(5.0, y) for y in np.linspace(4.2, 6, 12)]  # above the mark
    x, y = zip((5.0, 4.0), *crowd, (0.0, 0.0), (10.0, 10.0), strict=True)
    ax.scatter(x, y)
    marks = placing.pixels(ax, x, y)
    placing.write_names(ax, [(5.0, 4.0, "leader")], marks)

    box = ax.texts[0].get_window_extent()
    assert not any(box.contains(*mark) for mark in marks)


@pytest.mark.parametrize("n", [1, 5, 60])
def test_the_legend_of_curves_covers_none(tmp_path, n):
    """It stands above all panels, wherever the curves go."""
    axes = drawn(learning_curves, learning_curves.gather(load(tmp_path, n)))
    axes = axes if n > 1 else [axes]

    (legend,) = axes[0].get_figure().legends
    assert all(ax.get_legend() is None for ax in axes)
    box = legend.get_window_extent()
    assert not any(box.overlaps(ax.get_tightbbox()) for ax in axes)


def test_one_wide_interval_does_not_hide_the_others(tmp_path):
    """It ends at the edge of the axis with an arrow, and the note counts it."""
    narrow = Difference(0.01, -0.02, 0.04, 0.95, 3, is_paired=True)
    wide = Difference(0.02, -0.7, 0.7, 0.95, 2, is_paired=True)
    for last, note in ((wide, "1 interval extends beyond the axis"), (narrow, "")):
        analysis = load(tmp_path, 5)
        vars(analysis)["comparisons"] = tuple(
            Comparison(i, 0, difference, 0.975)
            for i, difference in enumerate([narrow, narrow, narrow, last], start=1)
        )
        data = differences.gather(analysis)
        ax = drawn(differences, data)

        assert ax.get_xlim()[1] < 25
        arrows = {line.get_marker() for line in ax.lines} & {"<", ">"}
        assert bool(arrows) == bool(note)
        assert data.note.partition(" either way. ")[2].startswith(note)
        assert ("beyond" in data.note) == bool(note)


def test_a_title_says_most_only_of_what_it_saw(tmp_path):
    """If only some trials are shown, the title claims the widest gap only of those."""
    data = dumbbell.gather(load(tmp_path, 500))
    trials = data.frame[~data.frame["is_baseline"]]

    assert "at most among those shown" in dumbbell._title(trials, data.total)
    of_all = dumbbell._title(trials, len(trials))
    assert "at most" in of_all
    assert "those shown" not in of_all


def test_a_dashed_line_says_which_accuracy_it_is(tmp_path):
    """The note names the split, since the baseline has three accuracies."""
    change = studies.shared_baseline
    for name in ("first", "second"):
        study = read_study(studies.write_study(tmp_path, name, 6, change=change))
    published = read_study(studies.write_published(tmp_path / "apart"))
    below = [
        dumbbell.gather(Analysis(study)).note,
        dumbbell.gather(Analysis(published)).note,
        best_of_each.gather(group(read_studies(tmp_path).entries)).note,
    ]
    of = ("the baseline's validation", "the baseline's test", "baseline's validation")
    for note, split in zip(below, of, strict=True):
        assert "The dashed line is the " in note
        assert f"{split} accuracy." in note


def test_a_loss_is_not_written_in_points(tmp_path):
    """Differences of a loss are in its own unit."""
    settings = {**studies.SETTINGS, "objective": "val_loss"}
    title = cost.gather(load(tmp_path, 12, settings=settings)).title
    assert re.search(r"is 0\.\d{3} worse$", title)


def test_the_best_of_hyperband_is_that_of_full_trainings(tmp_path):
    """The title speaks of full trainings, though a shorter one has a higher score."""
    study = read_study(studies.write_hyperband(tmp_path))

    title = progress.gather(Analysis(study)).title
    assert "highest score of a trial with all its epochs" in title


def test_a_shortened_name_keeps_its_ends():
    """Direction controls are dropped, and so is the middle of a long name."""
    assert wording.shorten("a \u202eevil\n b", 20) == "a evil b"
    cut = [wording.shorten(f"study-of-a-long-name-{i}", 12) for i in range(2)]
    assert cut[0] != cut[1]
    assert {len(name) for name in cut} == {12}


def test_long_names_of_candidates_stay_apart(tmp_path):
    """A name on an axis is not cut where it differs from the next."""
    folder = studies.write_candidates(tmp_path / "tried", studies.TRIED, "try", 1)
    start = "filters=32,64,128 kernel_size=5 pooling=max units="
    trials = pd.DataFrame({"trial": [1, 2], "name": [f"{start}64", f"{start}128"]})
    study = read_study(folder)
    names = trial_names.on_axis(study, trials)

    assert names.nunique() == 2
    assert names.str.len().max() <= 32
    assert trial_names.in_table(study, trials).tolist() == trials["name"].tolist()


@pytest.mark.parametrize("n", [2, 50])
def test_every_figure_has_a_finding_and_a_number(tmp_path, n):
    """Titles are sentences about these data; alt texts hold a number."""
    for name, image in catalog.images("study", load(tmp_path, n)).items():
        assert re.search(r"\d", image.alt), name
        assert len(image.title) > 10, name
        assert image.drawing.uri.startswith("data:image/svg+xml;base64,")


def test_svgs_are_the_same_bytes_every_time(tmp_path):
    """Equal data give an equal page, so that a diff shows real changes."""
    analysis = load(tmp_path, 5)

    first, second = (catalog.images("study", analysis) for _ in range(2))
    assert first == second
    svg = base64.b64decode(first["dumbbell"].drawing.uri.partition(",")[2]).decode()
    assert "<dc:date>" not in svg
    assert "font-family" not in svg  # text is drawn, so no machine lacks a font


def test_drawing_leaves_the_readers_matplotlib_alone():
    """Rendering does not change Matplotlib's settings."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(lambda ax: ax.plot([1, 2], [1, 2]), Size(100, 100))

    assert dict(mpl.rcParams) == before


def test_dollars_and_markup_are_only_text(tmp_path):
    """A name that contains TeX is drawn as plain text."""
    analysis = load(tmp_path, 9, change=studies.hostile)

    assert catalog.image("dumbbell", analysis)


def test_axes_carry_their_unit():
    """Accuracies are in percent, losses plain."""
    accuracy, loss = Objective.parse("val_accuracy"), Objective.parse("val_loss")
    assert wording.axis(accuracy) == "Validation accuracy (%)"
    assert wording.axis(loss) == "Validation loss"
