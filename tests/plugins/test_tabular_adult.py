"""The table that comes with biasloop: rows, columns and shares as published."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support import tabular

from biasloop.contract.domains import Demands
from biasloop.errors import DownloadError
from biasloop_tabular import adult
from biasloop_tabular.rows import Categorical

COLUMNS = ("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
           "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income")  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return pl.read_parquet(adult.path())


def test_rows_and_shares_are_the_published_ones(table):
    """Numbers of `adult.names`, which comes with the data: rows, unknown values, and 23.93 % above 50K."""
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 48_842
    assert adult.TRAIN == 32_561
    rich = table["income"] == ">50K"
    assert (rich.sum(), round(float(rich.mean()), 4)) == (11_687, 0.2393)
    assert round(float(rich[: adult.TRAIN].mean()), 4) == 0.2408
    assert len(table.drop_nulls()) == 45_222
    assert table.drop_nulls().filter(pl.col("income") == ">50K").shape[0] / 45_222 == pytest.approx(0.2478, abs=5e-5)
    assert table[: adult.TRAIN].drop_nulls().shape[0] == 30_162
    assert table[0].row(0) == (39, "State-gov", 77_516, "Bachelors", 13, "Never-married", "Adm-clerical",
                               "Not-in-family", "White", "Male", 2174, 0, 40, "United-States", "<=50K")  # fmt: skip
    lacking = {name: count for name, count in zip(table.columns, table.null_count().row(0), strict=True) if count}
    assert lacking == {"workclass": 2799, "occupation": 2809, "native-country": 857}


def test_sex_and_race_are_compared_and_not_told_to_models(tmp_path):
    domain = tabular.domain(tmp_path, test="published")
    domain.check(Demands())
    names = [feature.name for feature in domain._rows.features]
    assert names == [name for name in COLUMNS if name not in ("fnlwgt", "race", "sex", "income")]
    assert sum(isinstance(feature, Categorical) for feature in domain._rows.features) == 6
    assert np.array_equal(domain.splits().test, np.arange(32_561, 48_842))
    assert {name: len(column) for name, column in domain.vocabularies().items()} == {
        "classes": 2, "group.sex": 2, "group.race": 5,
    }  # fmt: skip
    assert not tabular.notes(tmp_path)


def test_a_damaged_file_asks_to_reinstall(tmp_path, monkeypatch):
    damaged = tmp_path / "adult.parquet"
    damaged.write_bytes(adult.path().read_bytes()[:-1])
    monkeypatch.setattr(adult, "ADULT", replace(adult.ADULT, shipped=damaged))
    with pytest.raises(DownloadError, match=r"adult\.parquet is damaged: its SHA-256 is .*; reinstall biasloop"):
        tabular.domain(tmp_path).check(Demands())
