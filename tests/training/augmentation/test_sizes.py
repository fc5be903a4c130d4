from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.sizes import input_size_of


def test_sizes_change_every_ten_steps_within_their_limits():
    config = AugmentationConfig.preset("multi-scale")
    sizes = [input_size_of(config, (896, 1600), 4, step) for step in range(400)]
    assert all(len(set(sizes[start : start + 10])) == 1 for start in range(0, 400, 10))
    assert len(set(sizes)) > 10
    assert {height % 32 for height, _ in sizes} == {width % 32 for _, width in sizes} == {0}
    assert min(sizes) >= (640, 1120)
    assert max(sizes) <= (1152, 2048)
    assert sizes == [input_size_of(config, (896, 1600), 4, step) for step in range(400)]


def test_other_seeds_give_other_sizes():
    config = AugmentationConfig.preset("multi-scale")
    one, other = ([input_size_of(config, (896, 1600), seed, 10 * step) for step in range(20)]
                  for seed in (0, 1))  # fmt: skip
    assert one != other


def test_without_limits_the_size_stays():
    assert input_size_of(AugmentationConfig(), (100, 60), 0, 3) == (100, 60)
