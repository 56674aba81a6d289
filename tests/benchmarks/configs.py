"""The yardstick's configs: filters, dense units, pooling, batch size."""

CONFIGS = [
    ((32,), (128,), False, 32),  # the published baseline
    ((48,), (128,), False, 32),
    ((48, 48), (128,), False, 32),
    ((32, 24, 12), (128, 64), False, 32),
    ((32, 64), (128,), True, 32),
    ((16, 32), (64,), True, 32),
    ((32,), (128,), False, 128),
    ((32, 64), (128,), True, 64),
]
