"""What the numbers support: intervals, differences, rankings, importance."""
