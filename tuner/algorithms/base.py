"""What an algorithm is asked, what it answers, and the proposers that need no results.

An algorithm asks and tells. It knows nothing of studies, records or the command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    """An algorithm cannot do what it is asked to."""


@dataclass(frozen=True)
class Proposal:
    """A trial to train, or to train further.

    Attributes:
        trial: Its number; a promotion repeats it.
        values: What was chosen, in the space's names, active ones only.
        config: The config that they mean, with the epochs it shall have.
        bracket: Hyperband's bracket, largest first, or 0.
        name: What the space calls it, or None.
        is_audit: Whether Hyperband had dropped it, and it is trained to the end
            to see whether that was right.
    """

    trial: int
    values: Values
    config: Config
    bracket: int = 0
    name: str | None = None
    is_audit: bool = False


class Wait:
    """There is nothing to propose before a result arrives."""


class Proposer(Protocol):
    """One search as it runs; not for several threads."""

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Give the next trial, `Wait`, or None when there is no more.

        Args:
            recorded: Values by trial that were proposed in an earlier session. An
                algorithm takes them instead of choosing again.
        """

    def tell(self, trial: int, score: float | None) -> None:
        """Report a proposal's objective value, or None where it failed."""

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether more epochs of this config may be proposed later.

        Args:
            config: As its `to_dict` gives it.
        """


class Rung(NamedTuple):
    """One round of a bracket: so many configs reach so many epochs in all."""

    configs: int
    epochs: int


@dataclass(frozen=True)
class Schedule:
    """How much a search trains.

    Attributes:
        trials: Distinct configs it proposes.
        epochs: Epochs of all of them together, one run each.
        brackets: Where epochs are the fidelity, each bracket's rungs, most configs
            first and fewest epochs first.
    """

    trials: int
    epochs: int
    brackets: tuple[tuple[Rung, ...], ...] = ()


@dataclass(frozen=True)
class SearchProblem:
    """What an algorithm searches.

    Attributes:
        space: Gives the config that values mean.
        declared: Every hyperparameter, with its conditions.
        points: Distinct points of the space, or None where it is continuous.
        screen: Rejects configs that cannot or need not be trained. It knows the
            configs that come before the algorithm's own.
        higher_is_better: Which scores to look for.
        seed: Everything random follows from it.
        epochs: Epochs of a full training, unless the space tunes them.
        trials: How many configs to propose at most.
        first_trial: The number of the first.
        options: The algorithm's own options, by name.
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


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """A search algorithm: what the rest of the program must know of it, and its search.

    Attributes:
        name: What `--algorithm` takes and a record stores.
        label: What the terminal and the pages call it.
        help: Half a line for `tune search --help`.
        default_trials: How many configs it proposes unless told; None is as many as
            its schedule or the space has.
        default_epochs: Epochs of a full training unless told.
        learns: Whether results decide which configs it proposes.
        draws_at_random: Whether each config is an independent random draw, so that
            what fewer trials would have found can be estimated from the trials.
        sets_epochs: Whether epochs are its fidelity: it decides how long a config
            trains, and only configs trained to the end are ranked.
        can_grow: Whether a resume may add trials; False where their number shapes the
            whole schedule, and so identifies a study.
        options: The settings that only it takes, and what each does, after "--NAME".
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
        """Whether results change neither what it proposes nor how long that trains."""
        return not self.learns and not self.sets_epochs

    def refusal(
        self,
        declared: kt.HyperParameters,  # noqa: ARG002  by default it searches any space
        points: int | None,  # noqa: ARG002
        max_trials: int | None,  # noqa: ARG002
    ) -> str | None:
        """Say why it cannot search a space and what to do, or None.

        Args:
            declared: Every hyperparameter of the space.
            points: Distinct points, or None where the space is continuous.
            max_trials: What the user asked for, or None.
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
            trials: How many configs to propose at most.
            epochs: Epochs of a full training.
            options: Its own options, by name.

        Raises:
            AlgorithmError: There is no such schedule.
        """
        return Schedule(trials, trials * epochs)

    @abstractmethod
    def proposer(self, problem: SearchProblem) -> Proposer:
        """Begin a search. Equal problems and results give equal proposals."""


class ListProposer:
    """Propose given trials in order; results change nothing."""

    def __init__(self, proposals: Iterable[Proposal]) -> None:
        self._rest = deque(proposals)
        # Until its result arrives: a training that is cut off starts where it did.
        self._untold = {p.trial: p.config for p in self._rest}
        self._networks = {
            p.trial: without_epochs(p.config.to_dict()) for p in self._rest
        }

    def propose(
        self,
        recorded: Recorded | None = None,  # noqa: ARG002  a list chooses nothing
    ) -> Proposal | Wait | None:
        """Give the next trial of the list."""
        return self._rest.popleft() if self._rest else None

    def tell(self, trial: int, score: float | None) -> None:  # noqa: ARG002
        """Learn only that it has ended: a list does not depend on results."""
        self._untold.pop(trial, None)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether the same network has yet to be trained for longer."""
        network = without_epochs(config)
        return any(
            other.epochs > config["epochs"] and self._networks[trial] == network
            for trial, other in self._untold.items()
        )


def without_epochs(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give what two trainings share of which one goes on where the other ends.

    Values of the baseline are left out: an older version may not have stored them.
    """
    values = unlike_baseline(config)
    return {name: value for name, value in values.items() if name != "epochs"}


class Chain:
    """One proposer after the other; each hears of its own trials alone."""

    def __init__(self, *proposers: Proposer) -> None:
        self._proposers = proposers
        self._of: dict[int, Proposer] = {}

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Ask the first that has not come to its end."""
        for proposer in self._proposers:
            proposal = proposer.propose(recorded)
            if proposal is not None:
                if isinstance(proposal, Proposal):
                    self._of[proposal.trial] = proposer
                return proposal
        return None

    def tell(self, trial: int, score: float | None) -> None:
        """Tell the one whose trial it is."""
        self._of[trial].tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether one of them may."""
        return any(p.may_extend(config) for p in self._proposers)
