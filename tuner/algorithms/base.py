"""What a search algorithm must provide, and the proposers that need no results.

An algorithm proposes configs and is told their scores. It knows nothing about studies,
records or the command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from search_spaces.config import unlike_baseline
from search_spaces.errors import UsageError
from search_spaces.space import Space
from search_spaces.user_code import Config, UserSpace
from tuner.algorithms.screening import Screen

if TYPE_CHECKING:
    import keras_tuner as kt

Values = Mapping[str, Any]
Recorded = Mapping[int, Values]


class AlgorithmError(UsageError):
    """An algorithm cannot search this space, or an option is out of range."""


@dataclass(frozen=True)
class Proposal:
    """A trial to train, or to train further.

    Attributes:
        trial: Its number; a promotion repeats it.
        values: The chosen values by the space's names, active ones only.
        config: The config that they mean, with the epochs to train it for.
        bracket: Hyperband's bracket, largest first, or 0.
        name: What the space calls it, or None.
        is_audit: Whether Hyperband had eliminated it, and it is fully trained as a
            check.
    """

    trial: int
    values: Values
    config: Config
    bracket: int = 0
    name: str | None = None
    is_audit: bool = False


class Wait:
    """Nothing can be proposed before a result arrives."""


class Proposer(Protocol):
    """A running search. Not thread-safe."""

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Return the next trial, `Wait`, or None if there are no more.

        Args:
            recorded: Values by trial that an earlier session proposed. They are used
                again instead of new ones.
        """

    def tell(self, trial: int, score: float | None) -> None:
        """Report a proposal's objective value, or None if it failed."""

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether this config may be proposed again with more epochs.

        Args:
            config: `to_dict` of the config.
        """


class Rung(NamedTuple):
    """One round of a bracket: `configs` configs are trained to `epochs` epochs."""

    configs: int
    epochs: int


@dataclass(frozen=True)
class Schedule:
    """How much a search trains.

    Attributes:
        trials: Distinct configs that are proposed.
        epochs: Epochs of all of them together, with one run each.
        brackets: If epochs are the fidelity, the rungs of each bracket: most configs
            first, fewest epochs first.
    """

    trials: int
    epochs: int
    brackets: tuple[tuple[Rung, ...], ...] = ()

    @property
    def runs(self) -> int:
        """How often a config is trained, or trained further."""
        rungs = [rung for bracket in self.brackets for rung in bracket]
        return sum(rung.configs for rung in rungs) or self.trials

    def from_scratch(self) -> Schedule:
        """Return the same schedule if no rung can continue the one before."""
        repeated = sum(
            rung.configs * before.epochs
            for bracket in self.brackets
            for before, rung in pairwise(bracket)
        )
        return replace(self, epochs=self.epochs + repeated)


@dataclass(frozen=True)
class SearchProblem:
    """A search problem for an algorithm.

    Attributes:
        space: Turns values into a config.
        declared: Every hyperparameter, with its conditions.
        points: Number of distinct points, or None if the space is continuous.
        screen: Rejects configs. It already knows the baseline and enqueued configs.
        higher_is_better: Whether higher scores are better.
        seed: Seed of everything random.
        epochs: Epochs of a full run, unless the space tunes them.
        trials: Most configs to propose.
        first_trial: Number of the first trial.
        options: The algorithm's own options, by name.
        priors: Points that are worth a try or a search around them, best guess first.
        given: Points of the trials that another proposer has: those nearest to their
            configs, by number.
        scores: The scores of these trials, which arrive while the search runs.
    """

    space: Space | UserSpace
    declared: kt.HyperParameters
    points: int | None
    screen: Screen
    higher_is_better: bool
    seed: int
    epochs: int
    trials: int
    first_trial: int = 1
    options: Mapping[str, int] = field(default_factory=dict)
    priors: Sequence[Values] = ()
    given: Recorded = field(default_factory=dict)
    scores: Mapping[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """A search algorithm: what the rest of the program needs to know, and its search.

    Attributes:
        name: What `--algorithm` takes and a record stores.
        label: Its name on the terminal and in reports.
        help: What it does, in half a line, for `tune search --help`.
        default_trials: Default number of configs; None means all that its schedule or
            the space has.
        default_epochs: Default epochs of a full run.
        learns: Whether results decide which configs it proposes.
        draws_at_random: Whether configs are independent random draws. Then the trials
            also show what fewer trials would have found.
        sets_epochs: Whether epochs are its fidelity: it decides how long a config
            trains, and only fully trained configs are ranked.
        can_grow: Whether a resume may add trials. False if their number shapes the
            whole schedule, and so identifies a study.
        options: The settings that only this algorithm takes, and what each does, as
            said after "--NAME".
    """

    name: str
    label: str
    help: str
    default_trials: int | None = 20
    default_epochs: int = 5
    learns: bool = False
    draws_at_random: bool = False
    sets_epochs: bool = False
    can_grow: bool = True
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def ignores_results(self) -> bool:
        """Whether results change neither the configs nor their epochs."""
        return not self.learns and not self.sets_epochs

    def refusal(
        self,
        declared: kt.HyperParameters,  # noqa: ARG002  by default it searches any space
        points: int | None,  # noqa: ARG002
        max_trials: int | None,  # noqa: ARG002
    ) -> str | None:
        """Return why it cannot search a space and what to do, or None.

        Args:
            declared: Every hyperparameter of the space.
            points: Number of distinct points, or None if the space is continuous.
            max_trials: The user's --max-trials, or None.
        """
        return None

    def schedule(
        self,
        trials: int,
        epochs: int,
        options: Mapping[str, int],  # noqa: ARG002  only some have options
    ) -> Schedule:
        """Plan a search.

        Args:
            trials: Most configs to propose.
            epochs: Epochs of a full run.
            options: Values of its own options, by name.

        Raises:
            AlgorithmError: There is no such schedule.
        """
        return Schedule(trials, trials * epochs)

    @abstractmethod
    def proposer(self, problem: SearchProblem) -> Proposer:
        """Start a search. Equal problems and results give equal proposals."""


class ListProposer:
    """Propose the trials of a list in order, whatever their results.

    Attributes:
        scores: The results so far, None for a failure.
    """

    def __init__(self, proposals: Iterable[Proposal]) -> None:
        self.scores: dict[int, float | None] = {}
        self._rest = deque(proposals)
        # Kept until its result arrives, since an interrupted run starts over.
        self._untold = {p.trial: p.config for p in self._rest}
        self._networks = {
            p.trial: without_epochs(p.config.to_dict()) for p in self._rest
        }

    def propose(
        self,
        recorded: Recorded | None = None,  # noqa: ARG002  a list chooses nothing
    ) -> Proposal | Wait | None:
        """Return the next trial of the list."""
        return self._rest.popleft() if self._rest else None

    def tell(self, trial: int, score: float | None) -> None:
        """Note that the trial has ended, and its score."""
        self.scores[trial] = score
        self._untold.pop(trial, None)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether the list still holds a longer run of the same network."""
        network = without_epochs(config)
        return any(
            other.epochs > config["epochs"] and self._networks[trial] == network
            for trial, other in self._untold.items()
        )


def without_epochs(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be equal in two configs for one run to continue the other.

    Values equal to the baseline's are left out, since an older version may not have
    stored them.
    """
    values = unlike_baseline(config)
    return {name: value for name, value in values.items() if name != "epochs"}


class Chain:
    """Use one proposer after the other; each is told only about its own trials."""

    def __init__(self, *proposers: Proposer) -> None:
        self._proposers = proposers
        self._of: dict[int, Proposer] = {}

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Ask the first proposer that has trials left."""
        for proposer in self._proposers:
            proposal = proposer.propose(recorded)
            if proposal is not None:
                if isinstance(proposal, Proposal):
                    self._of[proposal.trial] = proposer
                return proposal
        return None

    def tell(self, trial: int, score: float | None) -> None:
        """Tell the proposer of that trial."""
        self._of[trial].tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether any proposer may propose the config with more epochs."""
        return any(p.may_extend(config) for p in self._proposers)
