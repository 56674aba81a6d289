"""What is said of one config's seeds."""

from reports.pages.noise import sentences
from reports.stats.noise import Noise


def test_seeds_that_score_alike_say_so():
    """No spread is no reason to divide by it."""
    found = Noise(3, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 300)
    assert "no spread can be told" in sentences(found)[0]


def test_the_floor_is_said_with_what_it_rests_on():
    """Another change disagrees with the baseline more or less often."""
    found = Noise(5, 0.7, 0.003, 0.002, 0.008, 0.004, 0.2, 10_000)
    said = sentences(found)[-1]
    assert "disagree on 20.0 % of the 10,000 test images" in said
    assert "one comparison at 95 %" in said
    assert "one that moves others has a limit of its own" in said
