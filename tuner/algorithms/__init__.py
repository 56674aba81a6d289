"""Search algorithms, each in a file of its own.

`ALGORITHMS` is the only list of them: the command, the plan, the pages and the tests
go over it. To add one, write its file and add it here.
"""

from __future__ import annotations

from tuner.algorithms.base import Algorithm
from tuner.algorithms.bayesian import BAYESIAN
from tuner.algorithms.grid import GRID
from tuner.algorithms.guided import GUIDED
from tuner.algorithms.halving import HALVING
from tuner.algorithms.hyperband import HYPERBAND
from tuner.algorithms.priorband import PRIORBAND
from tuner.algorithms.random_search import RANDOM
from tuner.algorithms.sobol import SOBOL

DEFAULT = RANDOM
FOR_A_TIME = HALVING  # with `--in`
ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        RANDOM,
        HYPERBAND,
        BAYESIAN,
        GRID,
        SOBOL,
        GUIDED,
        PRIORBAND,
        HALVING,
    )
}
