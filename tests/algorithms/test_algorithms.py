"""Promises of every algorithm in the list."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from searching import networks

from search_spaces.config import CnnConfig
from tuner.algorithms import ALGORITHMS, DEFAULT
from tuner.algorithms.base import Algorithm, ListProposer, Proposal
from tuner.algorithms.screening import Limits, Screen
from tuner.cli.main import cli
from tuner.search.planning import plan_study
from tuner.search.replay import Replay
from tuner.study.records import Rung, StudyRecord, TrialRecord
from tuner.study.settings import SettingsError, StudySettings

SHAPE = (16, 16, 1)
SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE


def sample(hp, base=BASELINE):
    width = hp.Int("width", 1, 16, step=2, sampling="log")
    dropout = 0.0
    if hp.Boolean("drops"):
        with hp.conditional_scope("drops", [True]):
            dropout = hp.Float("dropout", 0.1, 0.5, step=0.1)
    return replace(
        base,
        filters=(width,) * hp.Int("depth", 1, 3),
        units=(hp.Choice("units", [4, 8, 16]),),
        learning_rate=hp.Float("learning_rate", 1e-3, 1e-1, step=10, sampling="log"),
        dropout=dropout,
    )
"""

every_algorithm = pytest.mark.parametrize(
    "algorithm", ALGORITHMS.values(), ids=list(ALGORITHMS)
)


@pytest.fixture
def space(tmp_path):
    """A finite space with a condition, a log range, steps and a choice."""
    path = tmp_path / "every_kind.py"
    path.write_text(SPACE, encoding="utf-8")
    return str(path)


def _plan(algorithm, space, **options):
    options = {"max_trials": 8, "epochs": 9, **options}
    settings = StudySettings(space, algorithm=algorithm.name, **options)
    return plan_study(settings).fitted(Limits(), SHAPE, 10)


def _proposer(plan):
    screen = Screen(Limits(), SHAPE, 10)
    given = plan.preset_trials()
    for proposal in given:
        screen.add(proposal.config)
    return plan.proposer(screen, given)


def _score(proposal):
    return proposal.trial * 7 % 11 / 11


def _search(plan, most=None):
    """Search with one worker, to the end or for as many proposals."""
    proposer, proposals = _proposer(plan), []
    for _ in islice(iter(int, 1), most):
        proposal = proposer.propose()
        if not isinstance(proposal, Proposal):
            assert proposal is None
            break
        proposals.append(proposal)
        proposer.tell(proposal.trial, _score(proposal))
    return proposals


@every_algorithm
def test_it_says_what_it_is(algorithm):
    """The command, the terminal and the pages need a name, a label and a line."""
    assert ALGORITHMS[algorithm.name] is algorithm
    assert algorithm.name.isidentifier()
    assert algorithm.label.strip()
    assert 0 < len(algorithm.help) < 60
    assert not algorithm.help.endswith(".")
    text = CliRunner().invoke(cli, ["search", "--help"], terminal_width=1000).output
    assert f"{algorithm.name} {algorithm.help}" in text


def test_an_algorithm_without_a_label_cannot_be_made():
    """Nothing that is shown of it can be missing once a search has begun."""

    class Nameless(Algorithm):
        def proposer(self, problem):
            return ListProposer([])

    for name in ("name", "label", "help"):
        whole = {"name": "a", "label": "b", "help": "c"}
        assert Nameless(**whole)
        del whole[name]
        with pytest.raises(TypeError, match=name):
            Nameless(**whole)


@every_algorithm
def test_its_plan_is_what_it_proposes(algorithm, space):
    """As many trials as planned, no network twice, and never more epochs."""
    plan = _plan(algorithm, space)
    proposals = [p for p in _search(plan) if p.trial]
    trials = {p.trial for p in proposals}
    assert trials == set(range(1, plan.trials + 1))
    assert plan.trials == 8
    first = {p.trial: replace(p, config=replace(p.config, epochs=1)) for p in proposals}
    assert len(networks(first.values())) == len(first)
    reached = {p.trial: p.config.epochs for p in proposals}
    assert sum(reached.values()) <= plan.record().epochs
    assert max(reached.values()) == 9


@every_algorithm
def test_its_values_are_plain_and_active(algorithm, space):
    """A record can hold them, the space reads them back, and conditions hold."""
    plan = _plan(algorithm, space)
    for proposal in _search(plan)[1:]:
        values = proposal.values
        assert json.loads(json.dumps(values)) == values
        assert {type(v) for v in values.values()} <= {int, float, bool, str}
        assert ("dropout" in values) == values["drops"]
        network = replace(proposal.config, epochs=9)
        assert plan.space.config(values) == network


@every_algorithm
def test_a_larger_number_of_trials_adds_to_a_smaller_one(algorithm, space):
    """Where a study can grow, a resume with a larger -n changes nothing before."""
    small, large = _search(_plan(algorithm, space)), None
    large = _search(_plan(algorithm, space, max_trials=12))
    assert (large[: len(small)] == small) == algorithm.can_grow


@every_algorithm
def test_its_proposals_follow_from_the_seed(algorithm, space):
    """Equal seeds propose the same; where anything is random, another seed does not."""
    plan = _plan(algorithm, space, seed=4)
    assert _search(plan) == _search(plan)
    other = _plan(algorithm, space, seed=5)
    is_random = [p.config for p in _search(plan)] != [p.config for p in _search(other)]
    assert is_random == (algorithm.name != "grid")


@every_algorithm
@pytest.mark.parametrize("cut", [0, 1, 4, 9])
def test_it_goes_on_after_a_cut_as_without(algorithm, space, cut):
    """Told the records of a session that was cut off, it proposes what comes next."""
    plan = _plan(algorithm, space, max_trials=10)
    whole = _search(plan)
    rungs = {}
    for event, proposal in enumerate(whole[:cut]):
        told = 2 * event + 1
        rungs.setdefault(proposal.trial, []).append(
            (proposal, Rung(proposal.config.epochs, proposal.bracket, proposed=told - 1,
                            told=told, score=_score(proposal)))
        )  # fmt: skip
    records = {
        trial: TrialRecord(
            trial,
            "completed",
            steps[-1][0].config.to_dict(),
            values=json.loads(json.dumps(steps[0][0].values)),
            rungs=tuple(rung for _, rung in steps),
        )
        for trial, steps in rungs.items()
    }
    replay, rest = Replay(records, _proposer(plan), "val_accuracy"), []
    while isinstance(proposal := replay.propose(), Proposal):
        rest.append(proposal)
        replay.tell(proposal.trial, _score(proposal))
    assert rest == whole[cut:]


@every_algorithm
def test_a_small_space_is_searched_whole(algorithm, space):
    """It ends by itself when all is tried, and has tried all."""
    text = SPACE.replace('hp.Int("width", 1, 16, step=2, sampling="log")', "4")
    text = text.replace(
        'hp.Float("learning_rate", 1e-3, 1e-1, step=10, sampling="log")', "0.001"
    )
    Path(space).write_text(text, encoding="utf-8")
    plan = _plan(algorithm, space, max_trials=500)
    proposals = _search(plan)
    assert plan.points == 3 * 3 * 6
    if plan.schedule.brackets:
        assert len({p.trial for p in proposals}) == plan.trials + 1 <= 54
    else:
        assert len(networks(proposals)) == len(proposals) == plan.points


@every_algorithm
def test_its_settings_survive_a_record(algorithm):
    """Its defaults are set, stored and read again; a longer list is the same study."""
    settings = StudySettings("architecture", algorithm=algorithm.name)
    assert settings.search_algorithm is algorithm
    assert settings.max_trials == algorithm.default_trials
    assert settings.epochs == algorithm.default_epochs
    assert StudySettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    more = replace(settings, max_trials=99)
    assert (more.identity() == settings.identity()) == algorithm.can_grow
    seeds = replace(settings, executions=3)
    assert (seeds.identity() == settings.identity()) == algorithm.ignores_results


@every_algorithm
def test_an_option_of_its_own_is_refused_elsewhere(algorithm):
    """The error says what the option does and which algorithm takes it."""
    defaults = {f.name: f.default for f in dataclasses.fields(StudySettings)}
    for name, purpose in algorithm.options.items():
        more = {name: defaults[name] + 1}
        assert StudySettings("architecture", algorithm=algorithm.name, **more)
        text = f"{purpose}, got it with .*{DEFAULT.name}.* use .*{algorithm.name}"
        with pytest.raises(SettingsError, match=text):
            StudySettings("architecture", **more)


def test_a_config_that_came_first_is_not_proposed_again(space):
    """Whoever proposes, the baseline and the enqueued configs are trained once."""
    for algorithm in ALGORITHMS.values():
        plan = _plan(algorithm, space, enqueue=[{"filters_1": 8, "units_1": 4}])
        proposals = _search(plan)
        once = {p.trial: p for p in proposals}.values()
        same = [replace(p, config=replace(p.config, epochs=1)) for p in once]
        assert len(networks(same)) == len(same)
        assert isinstance(proposals[1].config, CnnConfig)
        assert len(once) == 1 + plan.record().trials


def test_a_study_of_an_unknown_algorithm_is_refused_in_a_line():
    """It says which, which are known, and what to do."""
    from studies import study_record

    from tuner.study.records import to_json
    from tuner.study.schema import RecordError

    stored = to_json(study_record("a"))
    assert StudyRecord.from_json(stored)
    stored["settings"] = {**stored["settings"], "algorithm": "annealing"}
    with pytest.raises(
        RecordError, match="annealing, and this version.*knows random, hyper"
    ):
        StudyRecord.from_json(stored)
