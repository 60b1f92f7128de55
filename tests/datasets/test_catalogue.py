"""What a run needs of all that `biasloop fetch` knows."""

from biasloop.datasets import asset
from biasloop.datasets.catalogue import network_requirements, requirement


def test_requirements_of_networks(tmp_path):
    (need,) = network_requirements("gpt2-medium", tmp_path)
    assert (need.name, need.kind, need.bytes) == ("gpt2-medium", "weights", asset("gpt2-medium").bytes)
    assert network_requirements("small", tmp_path) == []
    assert network_requirements(str(tmp_path), tmp_path) == []
    assert requirement("detoxify-original", tmp_path).kind == "weights"
