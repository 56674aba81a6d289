import sys
import types
import zipfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from tuner.data import dataset, decoding
from tuner.data.dataset import DatasetError, stratified_split
from tuner.data.splits import stratified_subset


def quiet(text):
    """Nobody listens."""


def load(path=None, *, name=None, say=quiet, **options):
    """Load with the command line's defaults."""
    settings = {"limit": None, "validation_split": 0.1, "seed": 0} | options
    return dataset.load_dataset(name, path, say=say, **settings)


def arrays(n=40, classes=4, shape=(6, 5, 3)):
    """Whole arrays for an .npz, every class equally often."""
    rng = np.random.default_rng(7)
    return {
        "x_train": rng.integers(0, 256, (n, *shape), np.uint8),
        "y_train": np.arange(n) % classes,
        "x_test": rng.integers(0, 256, (8, *shape), np.uint8),
        "y_test": np.arange(8) % classes,
    }


def write_npz(folder, **changed):
    """Write an .npz with some arrays changed, or without those that are None."""
    content = {k: v for k, v in (arrays() | changed).items() if v is not None}
    np.savez(folder / "mine.npz", **content)
    return folder / "mine.npz"


def write_image(path, mode="RGB", size=(5, 6), value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def write_folder(path, splits=("train", "test"), classes=("cat", "dog"), n=3, **kind):
    for split in splits:
        for label, name in enumerate(classes):
            for i in range(n):
                file = path / split / name / f"{i}.png"
                write_image(file, **({"value": 50 * label + i} | kind))
    return path


# --- splits

labels = st.lists(st.integers(0, 5), min_size=2, max_size=200).map(
    lambda drawn: np.array([*drawn, *drawn])  # every class at least twice
)
fractions = st.floats(0.001, 0.999)
seeds = st.integers(0, 2**31 - 1)


@given(labels, fractions, seeds)
def test_a_split_is_disjoint_and_covers_everything(y, fraction, seed):
    stay, held = stratified_split(y, fraction, seed)

    assert (np.diff(stay) > 0).all()
    assert (np.diff(held) > 0).all()
    assert sorted([*stay, *held]) == list(range(len(y)))


@given(labels, fractions, seeds)
def test_a_split_keeps_each_class_within_one_image_of_its_share(y, fraction, seed):
    stay, held = stratified_split(y, fraction, seed)

    for label in np.unique(y):
        n = (y == label).sum()
        assert abs((y[held] == label).sum() - fraction * n) < 1 + 1e-9
        assert (y[held] == label).any()
        assert (y[stay] == label).any()


@given(labels, fractions, seeds)
def test_equal_seeds_split_equally(y, fraction, seed):
    first, second = (stratified_split(y, fraction, seed)[1] for _ in range(2))

    assert first.tolist() == second.tolist()


@given(st.lists(seeds, min_size=2, max_size=2, unique=True))
def test_different_seeds_split_differently(pair):
    y = np.arange(1000) % 10
    first, second = (stratified_split(y, 0.5, seed)[1] for seed in pair)

    assert first.tolist() != second.tolist()


def test_a_split_of_balanced_classes_is_exact():
    stay, held = stratified_split(np.repeat(np.arange(10), 5000), 0.1, 3)

    assert np.bincount(held // 5000).tolist() == [500] * 10
    assert len(stay) == 45_000


def test_every_image_can_be_held_out():
    """No place in the order of images is privileged."""
    y = np.arange(40) % 4
    held = {i for seed in range(60) for i in stratified_split(y, 0.25, seed)[1]}

    assert held == set(range(40))


@given(labels, st.floats(0, 1), seeds)
def test_a_subset_has_its_size_and_each_class_its_share(y, part, seed):
    size = round(part * len(y))
    kept = stratified_subset(y, size, seed)

    assert len(kept) == size
    assert (np.diff(kept) > 0).all()
    share = np.bincount(y) * size / len(y)
    got = np.bincount(y[kept], minlength=len(share))
    assert (np.abs(got - share) < 1 + 1e-9).all()
    assert kept.tolist() == stratified_subset(y, size, seed).tolist()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_split_needs_a_fraction(fraction):
    with pytest.raises(DatasetError, match="fraction must be between 0 and 1, got"):
        stratified_split(np.array([0, 0, 1, 1]), fraction, 0)


def test_a_split_needs_two_images_a_class():
    with pytest.raises(
        DatasetError, match="at least 2 images of every class, got 1 in c"
    ):
        stratified_split(np.array([0, 0, 1, 2, 2]), 0.5, 0)


# --- loading


def test_digits_need_no_network_and_hold_0_to_255():
    digits = load(name="digits")

    assert digits.input_shape == (8, 8, 1)
    assert len(digits.x_train) + len(digits.x_test) == 1797
    assert digits.x_train.dtype == np.uint8
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 255)
    assert digits.classes == tuple("0123456789")
    assert np.bincount(digits.y_test).min() >= 34
    assert len(digits.validation) == 144


def test_the_seed_moves_the_split_and_not_the_images():
    one, other = load(name="digits", seed=1), load(name="digits", seed=2)

    assert one.fingerprint == other.fingerprint
    assert one.split != other.split
    assert one.validation.tolist() != other.validation.tolist()
    assert one.split == load(name="digits", seed=1).split


@pytest.mark.parametrize("changed", [{"limit": 30}, {"validation_split": 0.2}])
def test_limit_and_validation_change_the_split_alone(tmp_path, changed):
    path = write_npz(tmp_path)
    whole, other = load(path), load(path, **changed)

    assert whole.fingerprint == other.fingerprint
    assert whole.split != other.split
    assert len(other.x_test) == len(whole.x_test)


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_one_changed_value_changes_the_fingerprint(tmp_path, name):
    before = load(write_npz(tmp_path)).fingerprint
    changed = arrays()[name]
    changed.flat[0] = 1 if changed.flat[0] == 0 else 0

    assert load(write_npz(tmp_path, **{name: changed})).fingerprint != before


def test_the_split_depends_on_which_images_not_how_many(tmp_path):
    """Equal positions of different subsets are different images."""
    path = write_npz(tmp_path)
    one, other = (
        load(path, limit=20, seed=seed, validation_split=0) for seed in (1, 2)
    )

    assert one.train.tolist() == other.train.tolist()
    assert one.split != other.split


def test_limit_counts_validation_and_keeps_every_class(tmp_path):
    data = load(write_npz(tmp_path), limit=20, validation_split=0.25)

    assert len(data.x_train) == 20
    assert np.bincount(data.y_train).tolist() == [5] * 4
    assert len(data.train) + len(data.validation) == 20
    assert len(data.validation) == 5


def test_a_limit_above_all_images_uses_all_and_says_so(tmp_path):
    said = []
    data = load(write_npz(tmp_path), limit=41, say=said.append)

    assert len(data.x_train) == 40
    assert said == ["--limit 41 uses all 40 training images"]


def test_no_validation_split_trains_on_everything(tmp_path):
    data = load(write_npz(tmp_path), validation_split=0)

    assert data.train.tolist() == list(range(40))
    assert data.validation.tolist() == []


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1)])
def test_grey_arrays_get_one_channel(tmp_path, shape):
    whole = arrays(shape=shape)
    data = load(write_npz(tmp_path, **whole, y=None))

    assert data.input_shape == (6, 5, 1)
    assert (data.x_train[..., 0] == whole["x_train"].reshape(40, 6, 5)).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64", ">i2"])
def test_values_of_any_type_come_out_as_they_were(tmp_path, dtype):
    whole = arrays()
    x = {name: whole[name].astype(dtype) for name in ("x_train", "x_test")}
    data = load(write_npz(tmp_path, **x))

    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert (data.x_train == whole["x_train"]).all()
    assert (data.x_test == whole["x_test"]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_in_0_to_1_are_scaled_back_exactly(tmp_path, dtype):
    whole = arrays()
    x = {n: (whole[n] / 255).astype(dtype) for n in ("x_train", "x_test")}
    said = []
    data = load(write_npz(tmp_path, **x), say=said.append)

    assert (data.x_train == whole["x_train"]).all()
    assert (data.x_test == whole["x_test"]).all()
    assert said[0] == "x_train has floats in 0..1; scaled to 0..255"


def test_labels_may_be_a_column(tmp_path):
    data = load(write_npz(tmp_path, y_train=arrays()["y_train"][:, np.newaxis]))

    assert data.y_train.tolist() == arrays()["y_train"].tolist()
    assert data.name == "mine"
    assert data.classes == ("0", "1", "2", "3")


def test_arrays_are_resized(tmp_path):
    data = load(write_npz(tmp_path), image_size=3)

    assert data.input_shape == (3, 3, 3)
    assert data.x_test.shape == (8, 3, 3, 3)


# --- errors in an .npz

X, Y = arrays()["x_train"], arrays()["y_train"]
NAN = np.where(np.arange(40)[:, None, None, None] == 7, np.nan, X / 255)
BAD_ARRAYS = [
    ({"x_train": X[0]}, r"same shape, got \(5, 3, 1\) and \(6, 5, 3\)"),
    ({"x_train": X[:, 0, 0]}, r"x_train in .* must have shape .*got \(40, 3\)"),
    ({"x_train": X[..., :2]}, r"1 or 3 channels, got \(40, 6, 5, 2\)"),
    ({"x_train": np.moveaxis(X, 3, 1)}, r"channels last with np.moveaxis\(x, 1, -1\)"),
    (
        {"x_train": X[:0], "y_train": Y[:0]},
        "x_train in .* must contain images, got none",
    ),
    ({"x_test": X[:8, :5]}, r"same shape, got \(6, 5, 3\) and \(5, 5, 3\)"),
    ({"x_train": X.astype("U3")}, "x_train in .* integers or floats, got <U3"),
    ({"x_train": X > 9}, "x_train in .* integers or floats, got bool"),
    ({"x_train": NAN}, "x_train in .* got NaN in 1 of 40 images, first in image 7"),
    ({"x_train": X * 2.0 - 255}, r"x_train in .* got min -255 and max 25\d"),
    ({"x_train": X.astype(int) - 300}, r"integers in 0..255, got min -\d+ and max -"),
    ({"x_train": X * 257.0}, r"floats in 0..1 or 0..255, got min \d+ and max 65\d+"),
    ({"x_train": np.where(X > 250, np.inf, X)}, "got min 0 and max inf"),
    (
        {"x_train": X / 255, "x_test": X[:8] * 1.0},
        "must have the same scale, but the maximum is 1 in x_train and 25\\d in x_test",
    ),
    ({"y_train": np.eye(4)[Y]}, "y_train in .* with np.argmax"),
    ({"y_train": Y.reshape(40, 1, 1)}, r"y_train in .* got \(40, 1, 1\)"),
    ({"y_train": Y.astype(float)}, "y_train in .* must be integers, got float64"),
    ({"y_train": Y[:39]}, "one label per image, got 39 labels for 40 images"),
    ({"y_train": Y - 1}, "y_train in .* class ids from 0, got -1"),
    ({"y_train": Y + 1}, "class 0 has no training image. Subtract 1"),
    ({"y_train": np.where(Y == 2, 1, Y)}, "class 2 has no training image"),
    ({"y_train": Y * 10**12}, "class 1 has no training image"),
    ({"y_train": Y * 0}, "at least 2 classes, got 1 .40 images of class 0"),
    ({"y_test": Y[:8] + 1}, "y_test in .* 0..3, got 4"),
    (
        {"y_train": None, "x_test": None},
        "but y_train, x_test is missing; it contains x_t",
    ),
    (
        {"x_train": np.array([1, "two", None] * 5, dtype=object)},
        "x_train in .*mine.npz must be an array of numbers, but it is a pickle",
    ),
]


@pytest.mark.parametrize(
    ("changed", "text"), BAD_ARRAYS, ids=[t for _, t in BAD_ARRAYS]
)
def test_a_bad_array_is_named(tmp_path, changed, text):
    with pytest.raises(DatasetError, match=text):
        load(write_npz(tmp_path, **changed))


def test_one_image_is_too_few(tmp_path):
    one = {"x_train": X[:1], "y_train": Y[:1]}
    with pytest.raises(DatasetError, match=r"at least 2 classes, got 1 \(1 images"):
        load(write_npz(tmp_path, **one))


def test_a_class_of_one_image_cannot_be_split(tmp_path):
    path = write_npz(tmp_path, y_train=np.array([3, *np.arange(39) % 3]))
    text = "at least 2 training images with --validation-split, but class 3 has 1. Add"
    with pytest.raises(DatasetError, match=text):
        load(path)

    assert len(load(path, validation_split=0).train) == 40


def test_a_limit_that_loses_a_class_names_one_that_does_not(tmp_path):
    path = write_npz(tmp_path, y_train=np.repeat([0, 1, 2, 3], [20, 11, 6, 3]))
    with pytest.raises(DatasetError, match="under --limit 9, but class 2 has") as error:
        load(path, limit=9)

    assert "Use --limit 27 or more" in str(error.value)
    assert len(load(path, limit=27).x_train) == 27


@pytest.mark.parametrize("content", [b"", b"no zip at all", "half"])
def test_a_file_that_is_cut_off_or_no_npz_is_named(tmp_path, content):
    path = write_npz(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)

    with pytest.raises(
        DatasetError, match=r"mine.npz must be an .npz file.* is cut of"
    ):
        load(path)


def test_a_damaged_array_is_named(tmp_path):
    path = write_npz(tmp_path)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)

    with pytest.raises(DatasetError, match=r"x_train in .*mine.npz must be readable"):
        load(path)


def test_another_file_inside_an_npz_is_named(tmp_path):
    path = write_npz(tmp_path, x_train=None)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x_train", "text")

    with pytest.raises(DatasetError, match=r"x_train in .* must be a NumPy array, got"):
        load(path)


# --- folders of images


def test_folders_become_classes_in_the_order_of_their_names(tmp_path):
    said = []
    data = load(write_folder(tmp_path / "pets.v2"), say=said.append)

    assert data.name == "pets.v2"
    assert data.classes == ("cat", "dog")
    assert data.input_shape == (6, 5, 3)
    assert data.x_train[:, 0, 0, 0].tolist() == [0, 1, 2, 50, 51, 52]
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(data.x_test) == 6
    assert said[-1] == f"decoded 12 images from {tmp_path / 'pets.v2'} in 0 s"


def test_a_jpg_is_read_as_pillow_reads_it(tmp_path):
    rng = np.random.default_rng(0)
    folder = write_folder(tmp_path, size=(90, 90))
    for name in ("cat", "dog"):
        noise = Image.fromarray(rng.integers(0, 256, (90, 90, 3), np.uint8))
        noise.save(folder / "train" / name / "noise.JPG", quality=95)
    data = load(folder)

    with Image.open(folder / "train" / "dog" / "noise.JPG") as image:
        assert (data.x_train[7] == np.asarray(image)).all()


@pytest.mark.parametrize("is_large", [False, True])
def test_many_files_stay_in_order(tmp_path, is_large):
    """A large first file has all decoded in several threads."""
    size = (50, 50)
    files = [write_image(tmp_path / f"{i}.png", size=size, value=i) for i in range(256)]
    if is_large:
        noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
        noise[0, 0] = 0
        Image.fromarray(noise).save(files[0])
        assert files[0].stat().st_size > 4000

    decoded = decoding.decode(files, None, lambda _, all_: np.vstack([*all_]))

    assert decoded[:, 0, 0, 0].tolist() == list(range(256))


@pytest.mark.parametrize(
    ("mode", "value", "pixel"),
    [
        ("L", 100, [100]),
        ("LA", (100, 7), [100]),
        ("1", 1, [255]),
        ("I;16", 257 * 100, [100]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 9), [1, 2, 3]),
    ],
)
def test_each_kind_of_png_becomes_grey_or_rgb(tmp_path, mode, value, pixel):
    data = load(write_folder(tmp_path, mode=mode, value=value))

    assert data.x_train[0, 0, 0].tolist() == pixel


def test_a_palette_with_transparency_becomes_rgb(tmp_path):
    folder = write_folder(tmp_path)
    image = Image.new("P", (5, 6), 1)
    image.putpalette([9, 9, 9, 1, 2, 3])
    image.save(folder / "train" / "cat" / "0.png", transparency=b"\x00\x80")

    assert load(folder).x_train[0, 0, 0].tolist() == [1, 2, 3]


def test_grey_among_rgb_becomes_rgb(tmp_path):
    folder = write_folder(tmp_path, mode="L", value=9)
    write_image(folder / "test" / "dog" / "9.png", value=(1, 2, 3))
    data = load(folder)

    assert data.x_train[0, 0, 0].tolist() == [9, 9, 9]
    assert data.x_test[-1, 0, 0].tolist() == [1, 2, 3]


def test_mixed_sizes_name_two_files_and_image_size_mends_them(tmp_path):
    folder = write_folder(tmp_path, size=(5, 6))
    write_image(folder / "train" / "dog" / "0.png", size=(7, 8), value=9)

    text = "cat.0.png is 5 x 6 pixels and .*dog.0.png is 7 x 8. Resize them with --im"
    with pytest.raises(DatasetError, match=text):
        load(folder)
    data = load(folder, image_size=4)

    assert data.input_shape == (4, 4, 3)
    assert data.x_train[3, 0, 0].tolist() == [9, 0, 0]


@pytest.mark.parametrize("split", ["train", ""])
def test_a_folder_without_test_is_split_when_asked(tmp_path, split):
    folder = write_folder(tmp_path, splits=[split], n=5)

    with pytest.raises(DatasetError, match=r"has no test folder. .* --test-split 0.2"):
        load(folder)
    data = load(folder, test_split=0.2)

    assert np.bincount(data.y_test).tolist() == [1, 1]
    both = np.concatenate([data.x_train, data.x_test])[:, 0, 0, 0]
    assert sorted(both) == [0, 1, 2, 3, 4, 50, 51, 52, 53, 54]


def test_the_test_split_follows_the_seed_and_shows_in_split(tmp_path):
    folder = write_folder(tmp_path, splits=[""], n=20)
    options = {"test_split": 0.5, "validation_split": 0}
    one, other = (load(folder, seed=seed, **options) for seed in (1, 2))

    assert one.train.tolist() == other.train.tolist()
    assert one.x_test.tolist() != other.x_test.tolist()
    assert one.fingerprint == other.fingerprint
    assert one.split != other.split


def test_other_entries_are_ignored_and_counted(tmp_path):
    folder = write_folder(tmp_path)
    (folder / ".DS_Store").touch()
    (folder / "train" / "cat" / ".hidden.png").touch()
    (folder / "train" / "cat" / "notes.txt").touch()
    (folder / "train" / "cat" / "more").mkdir()
    (folder / "val" / "cat").mkdir(parents=True)
    (folder / "train" / "loop").symlink_to(folder / "train")
    (folder / "train" / "cat" / "self.png").symlink_to("self.png")
    said = []
    data = load(folder, say=said.append)

    assert len(data.x_train) == 6
    assert data.classes == ("cat", "dog")
    assert "ignored in" in said[0]
    assert said[0].endswith("val (only train and test are read)")
    assert said[1].endswith("not jpg or png files: 3 of 6, first more")


def test_class_folders_must_be_the_same(tmp_path):
    folder = write_folder(tmp_path)
    write_image(folder / "test" / "emu" / "0.png")
    with pytest.raises(DatasetError, match="but emu is in test and not in train"):
        load(folder)

    write_image(folder / "train" / "emu" / "0.png")
    write_image(folder / "train" / "ape" / "0.png")
    with pytest.raises(DatasetError, match="but ape is in train and not in test"):
        load(folder)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.mkdir(), r"at least 2 class folders, .* got 0\."),
        (lambda path: write_folder(path, classes=["cat"]), r"got 1 \(cat\)"),
        (lambda path: write_folder(path, splits=["test"]), "but train is missing"),
        (lambda path: (write_folder(path) / "train" / "ape").mkdir(), "but ape is in"),
    ],
)
def test_folders_that_are_not_laid_out_so(tmp_path, make, text):
    make(tmp_path / "mine")

    with pytest.raises(DatasetError, match=text):
        load(tmp_path / "mine")


def test_an_empty_class_folder_is_named(tmp_path):
    folder = write_folder(tmp_path)
    for split in ("train", "test"):
        (folder / split / "ape").mkdir()

    with pytest.raises(
        DatasetError, match=r"train.ape must contain jpg or png .* got none"
    ):
        load(folder)


@pytest.mark.parametrize(
    ("content", "why"), [(b"GIF89a", "its content is"), (None, "truncated")]
)
def test_an_unreadable_image_is_named(tmp_path, content, why):
    bad = write_folder(tmp_path, size=(9, 9)) / "train" / "dog" / "1.png"
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    Image.fromarray(noise).save(bad)
    bad.write_bytes(bad.read_bytes()[:150] if content is None else content)

    with pytest.raises(DatasetError, match=f"dog.1.png must be a readable .*{why}"):
        load(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DatasetError, match="a readable folder, .*: Permission denied"):
        load(write_folder(tmp_path))


# --- options


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": None}, "Use exactly one of --dataset and --data, got --dataset N"),
        (
            {"name": "digits", "path": Path("x")},
            "Use exactly one of --dataset and --data",
        ),
        ({"name": "cifar"}, "must be one of cifar10, cifar100, .*, got cifar"),
        ({"validation_split": 1}, "--validation-split must be at least 0 and below 1"),
        ({"validation_split": float("nan")}, "--validation-split .*, got nan"),
        ({"test_split": 0}, "--test-split must be between 0 and 1, got 0"),
        ({"test_split": 0.2}, "got digits, which has a test set"),
        ({"limit": 0}, "--limit must be at least 1, got 0"),
        ({"image_size": -1}, "--image-size must be at least 1, got -1"),
    ],
)
def test_an_option_that_does_not_do_is_named(options, text):
    with pytest.raises(DatasetError, match=text):
        load(**({"name": "digits"} | options))


def test_a_test_split_beside_a_test_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"but .* has one. Omit --test-split"):
        load(write_folder(tmp_path), test_split=0.2)
    with pytest.raises(DatasetError, match=r"mine.npz, which has a test set"):
        load(write_npz(tmp_path), test_split=0.2)


def test_a_path_that_is_neither_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"got .*nowhere.npz, which does not exist"):
        load(tmp_path / "nowhere.npz")
    (tmp_path / "x.csv").touch()
    with pytest.raises(DatasetError, match=r"got .*x.csv, a file of another type"):
        load(tmp_path / "x.csv")


# --- Keras's datasets, with a stand-in for Keras


@pytest.fixture
def keras(monkeypatch, tmp_path):
    """Stand in for `keras`: its `datasets` get what a test puts there."""
    module = types.ModuleType("keras")
    module.datasets = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "keras", module)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return module


def test_offline_the_error_names_the_ways_out(keras, tmp_path):
    def load_data():
        raise Exception("URL fetch failure on https://x: None")  # noqa: TRY002, as Keras

    keras.datasets.cifar10 = types.SimpleNamespace(load_data=load_data)
    said = []
    with pytest.raises(DatasetError) as error:
        load(name="cifar10", say=said.append)

    for part in ("--data", "--dataset digits", str(tmp_path / "datasets"), "URL fetch"):
        assert part in str(error.value)
    assert said == [f"Downloading cifar10 (170 MB) to {tmp_path / 'datasets'} ..."]


@pytest.mark.parametrize(
    ("name", "shape", "input_shape"),
    [
        ("mnist", (28, 28), (28, 28, 1)),
        ("cifar10", (32, 32, 3), (32, 32, 3)),
        ("cifar10", (3, 32, 32), (32, 32, 3)),
    ],
)
def test_keras_datasets_keep_stdout_for_results(
    keras, capsys, name, shape, input_shape
):
    def load_data():
        print("170498071/170498071 ====")  # noqa: T201
        y = np.arange(40, dtype=np.uint8)[:, np.newaxis] % 10
        x = np.zeros((40, *shape), np.uint8)
        return (x, y), (x, y)

    setattr(keras.datasets, name, types.SimpleNamespace(load_data=load_data))
    data = load(name=name)

    assert data.input_shape == input_shape
    assert data.y_train.shape == (40,)
    assert len(data.classes) == 10
    out, err = capsys.readouterr()
    assert out == ""
    assert "170498071" in err


def test_notes_go_to_stderr_unless_told_otherwise(tmp_path, capsys):
    path = write_npz(tmp_path)
    dataset.load_dataset(None, path, limit=99, validation_split=0.1, seed=0)

    assert capsys.readouterr() == ("", "--limit 99 uses all 40 training images\n")


# --- for the workers


@pytest.mark.parametrize("validation_split", [0.1, 0])
def test_what_is_saved_is_what_is_opened(tmp_path, validation_split):
    data = load(write_npz(tmp_path), limit=30, validation_split=validation_split)
    dataset.save_arrays(data, tmp_path / "arrays")
    opened = dataset.open_arrays(tmp_path / "arrays")

    for field in vars(data):
        before, after = getattr(data, field), getattr(opened, field)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            assert before.shape == after.shape
            assert before.tolist() == after.tolist()
        else:
            assert before == after
    assert isinstance(opened.x_train, np.memmap)


@pytest.mark.parametrize("name", ["x_train.npy", "train.npy", "dataset.json"])
def test_saved_arrays_that_are_cut_off_or_gone_are_an_error(tmp_path, name):
    dataset.save_arrays(load(write_npz(tmp_path)), tmp_path / "arrays")
    file = tmp_path / "arrays" / name
    text = "arrays must contain a dataset that was saved for the workers, but"

    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=text):
        dataset.open_arrays(tmp_path / "arrays")
    file.unlink()
    with pytest.raises(DatasetError, match=text):
        dataset.open_arrays(tmp_path / "arrays")


def test_exact_copies_across_splits_are_counted():
    """A near copy is none; copies within a split are not meant."""
    from dataclasses import replace

    from tuner.data.dataset import load_dataset
    from tuner.data.duplicates import duplicate_warnings

    data = load_dataset(
        "digits", None, limit=None, validation_split=0.1, seed=0, say=lambda _: None
    )
    x_train, x_test = data.x_train.copy(), data.x_test.copy()
    x_test[:3] = x_train[data.train[:3]]
    x_test[3] = x_train[data.train[3]] ^ 1
    x_train[data.validation[0]] = x_train[data.train[5]]
    x_train[data.train[7]] = x_train[data.train[8]]
    before = duplicate_warnings(data)
    said = duplicate_warnings(replace(data, x_train=x_train, x_test=x_test))
    assert before == (), "scikit-learn's digits have none"
    assert said[0].startswith("1 of 144 validation images are exact copies")
    assert said[1].startswith("3 of 359 test images are exact copies of training")
