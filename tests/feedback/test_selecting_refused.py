"""What [selection] cannot mean is refused before anything is spent, and says what to type."""

import json
from pathlib import Path

import pytest
from support.chains import chain
from support.loops import toy_experiment
from support.selecting_toy import LineDomain, line_experiment, line_prepared

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import InvalidInput, Mismatch
from biasloop.feedback import rules
from biasloop.running.selection import selecting_of

TINY = """
[domain]
name = "images"
data = "fashion-mnist-t10k"
network = "small-cnn"
epochs = 1
test = 60
{domain}

[loop]
start = 60
human = 10
model = 10
rounds = 2
"""


def prepared(selection, loop=None, kind=LineDomain, **domain):
    """A rule that has compared its settings with the data; nothing was fitted."""
    made = line_prepared(line_experiment(selection, loop, **domain), kind=kind)
    made.rule.prepare()
    assert not made.domain.seen.fits and not made.domain.seen.heads
    return made


FLAGS = {"reducr": {"irreducible": False}}


@pytest.mark.parametrize(
    ("selection", "domain", "said"),
    [
        ({"name": "rho"}, {"holdout": 0}, "selection.name = 'rho' needs human-labelled samples that are held out"),
        ({"name": "reducr"}, {"holdout": 0}, "there are none; set domain.holdout"),
        ({"name": "reducr", "options": FLAGS}, {"holdout": 0}, "selection.name = 'reducr' needs human-labelled"),
        ({"name": "uniform", "best": "accuracy"}, {"holdout": 0}, "selection.best = 'accuracy' needs human-labelled"),
        ({"name": "uniform", "add_holdout": True}, {"holdout": 0}, "there are none; set domain.holdout"),
        ({"name": "reducr", "irreducible": {"twins": 2}}, {"holdout": 0}, "set domain.holdout"),
        (
            {"name": "reducr"},
            {"absent": True},
            "the holdout has no sample of 'c', one of 3 categories that selection.name",
        ),
        ({"name": "reducr", "options": FLAGS}, {"absent": True}, "has no sample of 'c'"),
        (
            {"name": "uniform", "best": "worst_class"},
            {"absent": True},
            'categories that selection.best = "worst_class"',
        ),
        ({"name": "rho", "add_holdout": True}, {}, "selection.add_holdout trains on the holdout, and selection.name"),
        ({"name": "reducr", "add_holdout": True}, {}, "needs it held out; leave one out"),
        ({"name": "uniform", "best": "accuracy", "add_holdout": True}, {}, "selection.best = 'accuracy' needs it held"),
        ({"name": "rho", "best": "accuracy", "judge": 0.1}, {"holdout": 3}, "selection.judge = 0.1 of the 3"),
        ({"name": "rho", "best": "accuracy", "judge": 0.99}, {"holdout": 10}, "of the holdout leaves none"),
        ({"name": "reducr", "best": "accuracy", "judge": 0.2}, {"holdout": 9}, "selection.judge, 0.2 of the holdout,"),
        ({"name": "rho", "irreducible": {"domain": {"width": 3}}}, {}, "selection.irreducible.domain: only shift and"),
        ({"name": "rho", "proxy": {"pool": 3}}, {}, "selection.proxy: only shift and epochs"),
        ({"name": "uniform", "proxy": {"shift": 1.0}}, {}, "selection.proxy scores candidates in the model's place"),
        ({"name": "reducr", "irreducible": {"updating": 0.01}}, {}, "selection.irreducible.updating is known of the"),
        ({"name": "fixed-weights", "options": {"fixed-weights": {"weights": [1.0]}}}, {}, "for 3 categories"),
    ],
)
def test_data_that_do_not_suffice(selection, domain, said):
    with pytest.raises((Mismatch, InvalidInput)) as refused:
        prepared(selection, **domain)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("selection", "domain"),
    [
        ({"name": "uniform"}, {"holdout": 0}),
        ({"name": "uniform", "judge": 0.5}, {"holdout": 0}),  # nobody judges
        ({"name": "uniform", "best": "accuracy"}, {"absent": True}),  # which balances over nothing
        ({"name": "rho"}, {"absent": True}),
        ({"name": "rho", "irreducible": {"twins": 2}}, {"holdout": 0}),
        ({"name": "uniform", "add_holdout": True}, {}),
        ({"name": "reducr", "options": {"reducr": {"holdout": False}}, "irreducible": {"twins": 2}}, {"holdout": 0}),
    ],
)
def test_data_that_suffice(selection, domain):
    prepared(selection, **domain)


@pytest.mark.parametrize(
    ("selection", "lacks", "said"),
    [
        (
            {"name": "uniform"},
            "losses",
            "cannot have selection.name = 'uniform': it has no losses; take [selection] out",
        ),
        ({"name": "reducr"}, "fit_heads", "cannot have selection.name = 'reducr': it has no fit_heads"),
        (
            {"name": "rho", "irreducible": {"domain": {"epochs": 1}}},
            "variant",
            "cannot have selection.irreducible.domain: it has no variant; take selection.irreducible.domain out",
        ),
        ({"name": "uniform", "proxy": {"epochs": 1}}, "variant", "cannot have selection.proxy: it has no variant"),
        ({"name": "uniform"}, "honours", "does not select what it learns from; take [selection] out"),
    ],
)
def test_a_domain_that_cannot(selection, lacks, said):
    class Lacking(LineDomain):
        def honours(self):
            return frozenset()

    if lacks != "honours":
        Lacking = type("Lacking", (LineDomain,), {lacks: None})  # noqa: N806
    with pytest.raises(Mismatch) as refused:
        prepared(selection, kind=Lacking)
    assert str(refused.value).startswith("the domain 'line'") and said in str(refused.value)


def test_a_domain_is_asked_for_what_the_selector_needs_alone():
    without_heads = type("WithoutHeads", (LineDomain,), {"fit_heads": None, "variant": None})
    prepared({"name": "rho"}, kind=without_heads)
    prepared({"name": "uniform", "irreducible": {"domain": {"epochs": 1}}}, kind=without_heads)  # which nobody uses


def test_a_rule_without_a_training_set_does_not_select():
    experiment = chain().experiment.model_copy(update={"selection": line_experiment({"name": "uniform"}).selection})
    with pytest.raises(Mismatch, match=r"\[selection\] selects by the samples' ids, and loop.rule = 'generations'"):
        selecting_of(experiment, chain().domain, 0)
    with pytest.raises(Mismatch, match="draws new samples for every batch"):
        rules.build(experiment.loop, chain().domain, "chain", None, selecting=object())


def test_the_bound_is_not_of_a_training_set_with_a_holdout_added():
    with_bound = toy_experiment().model_dump(exclude={"resolved"})
    section = {"name": "uniform", "share": 0.5}
    type(toy_experiment()).model_validate(with_bound | {"selection": section})
    with pytest.raises(ValueError, match=r"\[bound\] counts the training set from loop.start, and selection.add_holdo"):
        type(toy_experiment()).model_validate(with_bound | {"selection": section | {"add_holdout": True}})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('[selection]\nname = "rhoo"', ["tiny.toml", "selection.name", "rhoo", "rho"]),
        ('[selection]\nname = "rho"\nshares = 0.5', ["tiny.toml", "selection.shares", "did you mean 'share'"]),
        ('[selection]\nname = "rho"\nshare = 0', ["tiny.toml", "selection.share = 0", "greater than 0"]),
        ('[selection]\nname = "rho"\nshare = 2.0', ["tiny.toml", "selection.share = 2", "less than or equal to 1"]),
        ('[selection]\nname = "rho"\nshare = "0.1"', ["tiny.toml", "selection.share", "number"]),
        ('[selection]\nshare = 0.1', ["tiny.toml", "selection.name", "this key is required"]),
        ('[selection]\nname = "rho"\nbest = "first"', ["selection.best", "'last', 'accuracy' or 'worst_class'"]),
        ('[selection]\nname = "rho"\njudge = 1.0', ["selection.judge", "less than 1"]),
        ('[selection]\nname = "rho"\n[selection.irreducible]\ntwins = 1', ["selection.irreducible", "set 0, or 2"]),
        ('[selection]\nname = "rho"\n[selection.irreducible]\ngama = 1', ["did you mean 'gamma'"]),
        (
            '[selection]\nname = "reducr"\n[selection.options.reducr]\netta = 1',
            ["tiny.toml", "selection.options.reducr.etta", "did you mean 'eta'"],
        ),
        (
            '[selection]\nname = "rho"\n[selection.options.reducr]\neta = -1.0',  # of another: a grid may come to it
            ["tiny.toml", "selection.options.reducr.eta", "greater than or equal to 0"],
        ),
        ('[selection]\nname = "rho"\n[selection.options.reduce]\neta = 1', ["selection.options.reduce", "reducr"]),
        ('selection = "rho"', ['selection = "rho"', "table"]),
        (
            '[selection]\nname = "uniform"\nadd_holdout = true\n[bound]\nmetric = "a"\nbaseline = "b"',
            ["[bound] counts"],
        ),
    ],
)  # fmt: skip
def test_settings_that_are_none_are_named_with_file_and_key(tmp_path, section, said):
    text = TINY.format(domain="")
    (tmp_path / "tiny.toml").write_text(f"{section}\n{text}" if section[0] != "[" else f"{text}\n{section}\n")
    with pytest.raises(InvalidInput) as refused:
        arms_of(presets.read(str(tmp_path / "tiny.toml")))
    for part in said:
        assert part in str(refused.value)


def test_several_mistakes_are_told_at_once(tmp_path):
    section = '[selection]\nname = "rhoo"\nshare = 2.0\nbest = "first"\n[selection.options.reducr]\netta = 1'
    (tmp_path / "tiny.toml").write_text(f"{TINY.format(domain='')}\n{section}\n")
    with pytest.raises(InvalidInput) as refused:
        arms_of(presets.read(str(tmp_path / "tiny.toml")))
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize(("compat", "scoring"), [("released", "train"), ("fixed", "eval")])
def test_released_code_scores_in_training_mode(tmp_path, compat, scoring):
    biased = TINY.format(domain='bias = { epsilon = 30, tasks = [["coat"], ["shirt"]] }')
    text = f'compat = "{compat}"\n{biased}\n[selection]\nname = "uniform"\n'
    (tmp_path / "tiny.toml").write_text(text)
    ((_, experiment),) = arms_of(presets.read(str(tmp_path / "tiny.toml")))
    assert experiment.selection.scoring == scoring
    (tmp_path / "tiny.toml").write_text(f'{text}scoring = "eval"\n')
    ((_, experiment),) = arms_of(presets.read(str(tmp_path / "tiny.toml")))
    assert experiment.selection.scoring == "eval"


PROGRAMS = """
[domain]
name = "command"
data = "rows.csv"
target = "y"
test = 2
train = ["true", "{train}", "{model}"]
predict = ["true", "{model}", "{input}", "{output}"]
"""
LANGUAGE = '[domain]\nname = "language"\nnetwork = "small"\ntest = 20\n'
SIZES = "[loop]\nstart = 4\nhuman = 1\nmodel = 1\nrounds = 2\n"


@pytest.mark.parametrize(
    ("name", "text"), [("command", PROGRAMS), ("language", LANGUAGE), ("toy", '[domain]\nname = "toy"\n')]
)
def test_domains_that_do_not_select_are_refused_before_anything_is_written(cli, workplace: Path, name, text):
    (workplace / "rows.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(12)))
    (workplace / "presets" / "chosen.toml").write_text(f'{text}{SIZES}[selection]\nname = "uniform"\n')
    for options in (("--dry-run",), ()):
        refused = cli("loop", "-p", "chosen", *options)
        assert isinstance(refused.exception, Mismatch), refused.output
        assert f"the domain {name!r} cannot have selection.name = 'uniform': it has no categories" in str(
            refused.exception
        )
    assert not [*workplace.rglob("*.h5")]


def test_a_holdout_that_is_lacking_is_refused_by_a_dry_run(cli, workplace: Path):
    (workplace / "presets" / "chosen.toml").write_text(f'{TINY.format(domain="")}[selection]\nname = "rho"\n')
    refused = cli("loop", "-p", "chosen", "--dry-run", "--json")
    assert isinstance(refused.exception, Mismatch)
    assert "set domain.holdout" in str(refused.exception)
    given = cli("loop", "-p", "chosen", "--set", "domain.holdout=100", "--dry-run", "--json")
    assert given.exit_code == 0, given.output
    assert json.loads(given.output)


def test_passes_with_dropout_that_the_network_lacks_are_refused_by_a_dry_run(cli, workplace: Path):
    (workplace / "presets" / "chosen.toml").write_text(
        f'{TINY.format(domain="")}[selection]\nname = "entropy"\nshare = 0.5\n'
    )
    for options in (("--dry-run", "--json"), ()):
        refused = cli("loop", "-p", "chosen", *options)
        assert isinstance(refused.exception, InvalidInput), refused.output
        assert "passes with dropout, and the network has none" in str(refused.exception)
    assert not [*workplace.rglob("*.h5")]
