from faimtrack.eval import BENCHMARKS
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.validation import evaluation_settings


def test_what_is_learnt_is_what_is_scored():
    told = resolve_training_recipe("crowd/bytetrack", overrides=["data.benchmark=mot17"])
    assert evaluation_settings(told, "val-half").rules is BENCHMARKS["mot17"]
    assert evaluation_settings(told, "val-half").split == "val-half"
    assert evaluation_settings(resolve_training_recipe("crowd/bytetrack"), "full").rules is None
