import pytest
import torch

from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.device import computing, environment, generator, resolve, seeded

CPU = torch.device("cpu")


def test_resolve():
    assert resolve("cpu") == CPU
    assert resolve("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", ""])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(InvalidInput, match=r'"auto"'):
        resolve(name)


def test_computing_sets_and_restores():
    def settings():
        cudnn = torch.backends.cudnn
        return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.allow_tf32

    before = settings()
    assert before[3]
    with computing(1):
        assert settings() == (1, True, False, False)
    assert settings() == before


def test_computing_restores_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), computing(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_zero_threads_leave_the_choice():
    before = torch.get_num_threads()
    with computing(0):
        assert torch.get_num_threads() == before


def test_what_is_computed_on_names_the_device_threads_and_several_processes():
    assert environment(CPU, 1) == {"device": "cpu", "threads": "1"}
    assert environment(CPU, 0)["threads"] == str(torch.get_num_threads())
    assert environment(CPU, 2, 3) == {"device": "cpu, 3 processes", "threads": "2", "processes": "3"}


def test_seeded_depends_on_the_stream_and_restores():
    state = torch.get_rng_state()
    draws = []
    for name in ("a", "b", "a"):
        with seeded(Streams((1, name)), CPU):
            draws.append(torch.rand(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])


def test_generator_depends_on_the_stream():
    first, other = generator(Streams((1, "a")), CPU), generator(Streams((1, "b")), CPU)
    assert torch.equal(torch.rand(4, generator=first), torch.rand(4, generator=generator(Streams((1, "a")), CPU)))
    assert first.initial_seed() != other.initial_seed()
