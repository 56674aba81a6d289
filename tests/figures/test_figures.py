import base64
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import studies
from matplotlib.figure import Figure

from reports.figures import (
    comparison_images,
    comparison_views,
    hyperparameter_figures,
    placing,
    study_figures,
    titles,
    views,
)
from reports.figures.images import study_images
from reports.figures.style import density, duration_axis, render
from reports.read import labels as wording
from reports.read.study import Objective, read_study
from reports.stats import pairs, verdicts
from reports.stats.differences import Difference
from reports.stats.ranking import rank


def load(tmp_path, n=50, **fields):
    study = read_study(studies.write_study(tmp_path, n=n, **fields))
    return study, rank(study)


@pytest.mark.parametrize(
    ("n", "shown"), [(1, 1), (5, 5), (30, 30), (50, 30), (500, 31), (1500, 21)]
)
def test_the_dumbbell_keeps_its_scale(tmp_path, n, shown):
    """All of a few; else the top and the widest gaps; the baseline always."""
    study, ranking = load(tmp_path, n)
    view = views.dumbbell(study, ranking)

    assert view.total == n
    assert shown <= len(view.frame) <= shown + 1
    assert view.frame["is_baseline"].sum() == 1
    if n == 50:
        widest = ranking.ranked.nlargest(5, "gap")["trial"]
        assert set(widest) <= set(view.frame["trial"])
    place = ranking.ranked.set_index("trial")["place"]
    assert view.frame["trial"].map(place).is_monotonic_increasing


def test_the_dumbbells_gap_is_the_length_of_its_line(tmp_path):
    """What is printed at the right is what is drawn."""
    study, ranking = load(tmp_path)
    frame = views.dumbbell(study, ranking).frame

    assert np.allclose(frame["train"] - frame["test"], 100 * frame["gap"])


def test_best_so_far_is_the_running_maximum(tmp_path):
    """The step is the cumulative maximum of the ranked, in the order of ending."""
    study, ranking = load(tmp_path, failures=0.3)
    frame = views.progress(study, ranking).frame

    by_hand, best = [], np.nan
    scores = study.trials.sort_values("order")
    for score in 100 * scores["val_accuracy"]:
        best = np.fmax(best, score)
        by_hand.append(best)
    assert frame["best"].tolist() == pytest.approx(by_hand)
    assert (frame["kind"] == "failed").sum() == (scores["status"] == "failed").sum()


def test_hyperband_is_drawn_against_the_epochs_it_took(tmp_path):
    """The last trial stands at all epochs of the study."""
    study = read_study(studies.write_hyperband(tmp_path))
    ranking = rank(study)
    frame = views.progress(study, ranking).frame
    assert frame["epochs"].is_monotonic_increasing
    assert frame["epochs"].iloc[-1] == study.trials["epochs"].sum()
    ax = study_figures.progress(frame, Figure().subplots(), "Score", by_epochs=True)
    assert ax.get_xlabel() == "Epochs of all trials that have ended"


def test_shorter_rungs_never_raise_the_best_so_far(tmp_path):
    """A lucky two-epoch score is drawn hollow and below no line."""
    study = read_study(studies.write_hyperband(tmp_path))
    frame = views.progress(study, rank(study)).frame

    assert frame["score"].max() > 85  # the fixture's trap
    assert frame["best"].max() < 85


def test_the_front_is_what_nothing_dominates():
    """Compared with every pair, by hand."""
    rng = np.random.default_rng(0)
    cost = pd.Series(rng.integers(1, 30, 60).astype(float))
    gain = pd.Series(rng.integers(1, 30, 60).astype(float))
    front = views.pareto(cost, gain)

    for i in range(60):
        dominated = ((cost <= cost[i]) & (gain > gain[i])) | (
            (cost < cost[i]) & (gain >= gain[i])
        )
        if front[i]:
            assert not dominated.any()
        else:
            twin = (cost == cost[i]) & (gain == gain[i]) & front
            assert dominated.any() or twin.any()


def test_far_outliers_are_clipped_and_counted():
    """One diverged trial does not flatten the rest, and is still drawn."""
    values = pd.Series([*np.linspace(60, 70, 20), 10.0])
    shown, clipped = views.clip(values)

    assert clipped.sum() == 1
    assert shown.iloc[-1] == pytest.approx(59.4)
    assert (shown[:-1] == values[:-1]).all()


def test_nothing_is_clipped_among_few():
    """Seven values are too few to call one an outlier."""
    assert not views.clip(pd.Series([1.0, 1, 1, 1, 1, 1, 99]))[1].any()


@pytest.mark.parametrize("n", [1, 2, 5, 50, 500])
def test_labels_do_not_overlap(tmp_path, n):
    """Row labels stay apart, and no tick label lies on another."""
    study, ranking = load(tmp_path, n)
    view = views.dumbbell(study, ranking)
    figure = Figure(
        figsize=(1040 / 96, (84 + 23 * max(len(view.frame), 2)) / 96),
        layout="constrained",
    )
    ax = study_figures.dumbbell(view.frame, figure.subplots())
    figure.draw_without_rendering()
    for labels in (ax.get_yticklabels(), ax.get_xticklabels()):
        boxes = [t.get_window_extent() for t in labels if t.get_text()]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(("low", "high"), [(240, 9_000), (300, 900_000), (5, 50)])
def test_a_clocks_ticks_are_several_and_seen(low, high):
    """Times have at least three ticks within what is drawn, also of few decades."""
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
    """Where the last row is not full, the panels above its gap keep their ticks."""
    study, ranking = load(tmp_path, n)
    n = min(n, 6)
    figure = Figure(layout="constrained")
    axes = list(figure.subplots(-(-n // 3), min(n, 3), squeeze=False).flat)
    band = views.curve_band(study, ranking)
    frame = views.curves(study, ranking).frame
    study_figures.learning_curves(frame, axes, band)
    figure.draw_without_rendering()

    low = frame[["train", "validation", "test"]].min().min()
    assert low - 10 < axes[0].get_ylim()[0] < low

    lowest = [ax for i, ax in enumerate(axes[:n]) if i + min(n, 3) >= n]
    for ax in axes[:n]:
        assert bool(ax.get_xlabel()) == (ax in lowest)
        shown = [t for t in ax.xaxis.get_major_ticks() if t.label1.get_visible()]
        assert bool(shown) == (ax in lowest)


def test_knob_panels_are_all_of_one_kind(tmp_path):
    """Where one panel has boxes, so have all, and their whiskers hide no trial."""
    study, ranking = load(tmp_path, 500)  # few of them have a third layer
    view = views.knobs(study, ranking)
    sizes = [len(panel) for panel in view.panels]
    axes = list(Figure().subplots(3, 3).flat)
    hyperparameter_figures.knob_panels(view.panels, axes, view.knobs, "Score")

    assert min(sizes) < 300 < max(sizes)
    for panel, ax, knob in zip(view.panels, axes, view.knobs, strict=True):
        assert len(ax.patches if knob.choices else ax.collections) > 1
        if knob.choices:
            drawn = np.concatenate([line.get_ydata() for line in ax.lines])
            assert np.nanmin(drawn) == panel["score"].min()
            assert np.nanmax(drawn) == panel["score"].max()


def test_the_names_of_a_front_stay_within_its_axes(tmp_path):
    """A trial at the left edge is not named over the ticks."""
    study, ranking = load(tmp_path, 50)
    frame = views.cost(study, ranking).frame
    frame["trial"] += 50_000
    figure = Figure(figsize=(508 / 96, 330 / 96), layout="constrained")
    ax = study_figures.cost(frame, figure.subplots(), "Score")
    figure.draw_without_rendering()

    left = ax.get_window_extent().x0
    assert len(ax.texts) > 1
    assert all(text.get_window_extent().x0 >= left for text in ax.texts)


@pytest.mark.parametrize("n", [2, 5, 12, 50, 500, 1500])
@pytest.mark.parametrize("seed", [0, 2])
def test_names_lie_apart_within_the_axes(tmp_path, n, seed):
    """Neither the leader's and the baseline's name nor those of a front collide."""
    study, ranking = load(tmp_path, n, seed=seed)
    for view, draw in (
        (views.gaps(study, ranking), study_figures.gap_by_params),
        (
            views.cost(study, ranking),
            lambda frame, ax: study_figures.cost(frame, ax, "Score"),
        ),
    ):
        figure = Figure(figsize=(508 / 96, 320 / 96), layout="constrained")
        ax = draw(view.frame, figure.subplots())
        figure.draw_without_rendering()

        inside = ax.get_window_extent()
        boxes = [text.get_window_extent() for text in ax.texts]
        assert boxes
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
            assert inside.x0 - 1 <= box.x0
            assert box.x1 <= inside.x1 + 1


def test_a_name_goes_where_no_mark_is():
    """Of the places around a mark it takes one that covers nothing."""
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
    study, ranking = load(tmp_path, n)
    frame = views.curves(study, ranking).frame
    figure = Figure(figsize=(1040 / 96, 460 / 96), layout="constrained")
    panels = min(n, 6)
    axes = list(figure.subplots(-(-panels // 3), min(panels, 3), squeeze=False).flat)
    study_figures.learning_curves(frame, axes, views.curve_band(study, ranking))
    figure.draw_without_rendering()

    (legend,) = figure.legends
    assert all(ax.get_legend() is None for ax in axes)
    box = legend.get_window_extent()
    assert not any(box.overlaps(ax.get_tightbbox()) for ax in axes)


def test_one_wide_interval_does_not_hide_the_others():
    """It runs to an end of the axis with an arrow, and the note counts it."""
    narrow = Difference(0.01, -0.02, 0.04, 0.95, 3, is_paired=True)
    wide = Difference(0.02, -0.7, 0.7, 0.95, 2, is_paired=True)
    found = tuple(
        pairs.Contrast(i, 0, difference, 0.975)
        for i, difference in enumerate([narrow, narrow, narrow, wide], start=1)
    )
    trials = pd.DataFrame({"trial": range(5), "name": None})
    study = SimpleNamespace(trials=trials, arms=())
    frame = verdicts.frame(study, found)
    ax = study_figures.differences(frame, Figure().subplots(), 0.5)

    assert ax.get_xlim()[1] < 25
    assert {line.get_marker() for line in ax.lines} >= {"<", ">"}
    assert titles.beyond(frame).startswith("1 interval goes on")
    assert titles.beyond(frame.head(3)) == ""


def test_a_title_says_most_only_of_what_it_saw(tmp_path):
    """Where a part is shown, the widest gap is that of those shown."""
    study, ranking = load(tmp_path, 500)
    view = views.dumbbell(study, ranking)
    few = view._replace(frame=view.frame[~view.frame["is_baseline"]])

    assert "of those shown at most" in titles.dumbbell(few)
    whole = load(tmp_path / "few", 12)
    assert ", at most" in titles.dumbbell(views.dumbbell(*whole)).replace(" and", ",")


def test_a_dashed_line_says_which_accuracy_it_is(tmp_path):
    """The baseline has three."""
    change = studies.shared_baseline
    for name in ("first", "second"):
        study = read_study(studies.write_study(tmp_path, name, 6, change=change))
    published = read_study(studies.write_published(tmp_path / "apart"))
    group = comparison_views.group(comparison_views.read_studies(tmp_path).entries)
    said = [
        study_images(study, rank(study))["dumbbell"].note,
        study_images(published, rank(published))["dumbbell"].note,
        comparison_images.images(group)["best"].note,
    ]
    of = ("the baseline's validation", "the baseline's test", "baseline's validation")
    for note, split in zip(said, of, strict=True):
        assert "The dashed line is the " in note
        assert f"{split} accuracy." in note


def test_a_loss_is_not_said_in_points(tmp_path):
    """What is away in a loss is away in its own unit."""
    settings = {**studies.SETTINGS, "objective": "val_loss"}
    study, ranking = load(tmp_path, 12, settings=settings)

    title = titles.cost(study, ranking, views.cost(study, ranking))
    assert re.search(r"is 0\.\d{3} away$", title)


def test_the_best_of_hyperband_is_that_of_full_trainings(tmp_path):
    """A shorter training with a higher score is drawn: the title says who counts."""
    study = read_study(studies.write_hyperband(tmp_path))
    ranking = rank(study)
    view = views.progress(study, ranking)

    assert "highest with all its epochs" in titles.progress(study, ranking, view)


def test_a_name_turns_no_text_and_keeps_its_ends():
    """Signs of direction go, and the middle of what is too long."""
    assert wording.shorten("a \u202eevil\n b", 20) == "a evil b"
    cut = [wording.shorten(f"study-of-a-long-name-{i}", 12) for i in range(2)]
    assert cut[0] != cut[1]
    assert {len(name) for name in cut} == {12}


def test_long_names_of_arms_stay_apart():
    """What is cut from a name on an axis is not what tells it from the next."""
    start = "filters=32,64,128 kernel_size=5 pooling=max units="
    trials = pd.DataFrame({"trial": [1, 2], "name": [f"{start}64", f"{start}128"]})
    labels = views.arm_labels(trials)

    assert labels.nunique() == 2
    assert labels.str.len().max() <= 32
    assert views.arm_names(trials).tolist() == trials["name"].tolist()


@pytest.mark.parametrize("n", [2, 50])
def test_every_figure_has_a_finding_and_a_number(tmp_path, n):
    """Titles are sentences about these data; alt texts hold a number."""
    for name, image in study_images(*load(tmp_path, n)).items():
        assert re.search(r"\d", image.alt), name
        assert len(image.title) > 10, name
        assert image.drawing.uri.startswith("data:image/svg+xml;base64,")


def test_svgs_are_the_same_bytes_every_time(tmp_path):
    """Equal data give an equal page, so that a diff shows what changed."""
    study, ranking = load(tmp_path, 5)

    first, second = (study_images(study, ranking) for _ in range(2))
    assert first == second
    svg = base64.b64decode(first["dumbbell"].drawing.uri.partition(",")[2]).decode()
    assert "<dc:date>" not in svg
    assert "font-family" not in svg  # text is drawn, so no machine lacks a font


def test_drawing_leaves_the_readers_matplotlib_alone():
    """Style lives in a context, and pyplot's state is not touched."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(lambda ax: ax.plot([1, 2], [1, 2]), width=100, height=100)

    assert dict(mpl.rcParams) == before


def test_dollars_and_markup_are_only_text(tmp_path):
    """A name with TeX in it is drawn as it is written."""
    study, ranking = load(tmp_path, 9, change=studies.hostile)

    assert "dumbbell" in study_images(study, ranking)


def test_axes_carry_their_unit():
    """Accuracies are in percent, losses plain."""
    assert views.axis_of(Objective("val_accuracy", True)) == "Validation accuracy (%)"
    assert views.axis_of(Objective("val_loss", False)) == "Validation loss"
