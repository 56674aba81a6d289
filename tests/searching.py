"""A small search problem, and a search of it from end to end."""

from __future__ import annotations

from search_spaces.config import CnnConfig
from search_spaces.layers import network_key
from search_spaces.space import Space, count_points
from tuner.algorithms.base import Proposal, SearchProblem
from tuner.algorithms.screening import Limits, Screen

DIGITS, CIFAR = (8, 8, 1), (32, 32, 3)


def _draw(hp, base):
    """16 points, each another network."""
    layers = hp.Int("conv_layers", 1, 2)
    width = hp.Choice("width", [4, 8, 12, 16])
    units = hp.Choice("units", [8, 16])
    return CnnConfig(filters=(width,) * layers, units=(units,), epochs=base.epochs)


SMALL = Space("small", _draw)


def problem(space=SMALL, *, shape=CIFAR, limits=None, seed=1, trials=100, **more):
    """Pose a search problem whose best score is the highest."""
    declared = space.declare(tune_epochs=not more.pop("sets_epochs", False))
    return SearchProblem(
        **{
            "space": space,
            "declared": declared,
            "points": count_points(declared),
            "screen": Screen(limits or Limits(), shape, 10),
            "higher_is_better": True,
            "seed": seed,
            "epochs": space.base.epochs,
            "trials": trials,
            **more,
        }
    )


def run(proposer, score=lambda p: 0.5, recorded=None):
    """Run a proposer to its end, one trial at a time."""
    proposals = []
    while isinstance(proposal := proposer.propose(recorded), Proposal):
        proposals.append(proposal)
        proposer.tell(proposal.trial, score(proposal))
    assert proposal is None
    return proposals


def networks(proposals):
    """Name the networks that proposals build, once each."""
    return {network_key(p.config, 10) for p in proposals}


def width(proposal):
    """A truth that a model can learn: wide networks are better."""
    return proposal.values["width"] / 100
