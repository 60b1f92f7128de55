"""The quickstart of tables: its arms, and what they have in common."""

import tomli
from support import toy

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.domains import Demands
from biasloop.running.engine import Options, build_domain


def test_arms_differ_in_who_labels_and_how(tmp_path):
    made = [experiment for _, experiment in arms_of(presets.read("quickstart-tabular"))]
    assert [(arm.loop.human, arm.loop.model) for arm in made] == [(200, 0), (100, 100), (20, 180), (20, 180)]
    assert [arm.loop.label_by for arm in made][1:] == ["argmax", "argmax", "sample"]
    assert len({str({**arm.domain.settings}) for arm in made}) == 1
    domain = build_domain(made[0].domain.model_dump(), 0, Options(tmp_path))
    domain.check(Demands())
    assert len(domain.splits().test) == 10_000


def test_the_plot_and_the_bound_name_metrics_of_women():
    preset = tomli.loads((toy.PROJECT / "presets" / "quickstart-tabular.toml").read_text())
    assert {name.rpartition(".Female.sex")[0] for name in preset["bound"].values()} == {
        "share_predicted", "share_target", "share_train",
    }  # fmt: skip
    assert set(preset["plot"]["series"]) <= set(preset["plot"]["labels"])
