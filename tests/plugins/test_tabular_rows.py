"""Rows of a table in memory: what their fingerprint tells apart, and how they read."""

from dataclasses import replace

import numpy as np

from biasloop_tabular.rows import Categorical, LabelledRows, Numeric


def rows() -> LabelledRows:
    return LabelledRows(
        (Numeric("age", np.array([31.5, np.nan, 40.0])), Categorical("job", np.array([0, 1, -1]), ("cook", "smith"))),
        Categorical("repaid", np.array([1, 0, -1]), ("no", "yes")),
        {"sex": Categorical("sex", np.array([0, 1, 0]), ("f", "m"))},
        ["a", "b", "c"],
        np.array([0, 1, 0]),
    )


def test_whatever_a_result_depends_on_is_told_apart():
    table = rows()
    age, job = table.features
    changed = {
        "same": table,
        "number": replace(table, features=(replace(age, values=np.array([31.5, np.nan, 41.0])), job)),
        "category": replace(table, features=(age, replace(job, values=np.array([0, 0, -1])))),
        "word": replace(table, features=(age, replace(job, words=("cook", "baker")))),
        "name": replace(table, features=(replace(age, name="years"), job)),
        "outcome": replace(table, outcome=replace(table.outcome, values=np.array([1, 1, -1]))),
        "group": replace(table, groups={"sex": replace(table.groups["sex"], values=np.array([0, 1, 1]))}),
        "no group": replace(table, groups={}),
        "ids": replace(table, names=["a", "b", "d"]),
        "no ids": replace(table, names=None),
        "part": replace(table, part=np.array([0, 1, 1])),
        "drawn": replace(table, part=None),
    }
    fingerprints = {what: each.fingerprint for what, each in changed.items()}
    assert fingerprints["same"] == rows().fingerprint
    assert len(set(fingerprints.values())) == len(changed)


def test_a_row_reads_as_its_features_without_outcome_and_groups():
    assert rows().texts(np.array([2, 1])) == ["age: 40\njob: ", "age: \njob: smith"]
