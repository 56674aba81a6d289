"""What a noise report says about one config's seeds."""

from reports.pages.noise import sentences
from reports.stats.noise import Noise


def test_seeds_that_score_alike_say_so():
    """A spread of 0 is not divided by."""
    noise = Noise(3, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 300)
    assert "these show no spread" in sentences(noise)[0]


def test_the_floor_is_said_with_what_it_rests_on():
    """Another change disagrees with the baseline more or less often."""
    noise = Noise(5, 0.7, 0.003, 0.002, 0.008, 0.004, 0.2, 10_000)
    limit = sentences(noise)[-1]
    assert "disagree on 20.0 % of the 10,000 test images" in limit
    assert "one comparison at 95 %" in limit
    assert "affects more or fewer images has its own limit" in limit
