"""A table in a file: CSV, TSV, JSON lines, JSON or Parquet, a person's own or the one that comes with biasloop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular
from biasloop.tables import BadTable, Table, open_table, require_format, two_ways
from biasloop.tables.missing import WORDS
from biasloop.tables.values import as_text
from biasloop_tabular.columns import Cells, binned, feature, words_of
from biasloop_tabular.config import Config
from biasloop_tabular.rows import Categorical, LabelledRows, Numeric
from biasloop_tabular.splits import parts

_SHOWN = 20  # names in a message


def check(path: Path) -> None:
    """Refuse a file that cannot be there, without reading it.

    Raises:
        InvalidInput: if there is no such file, or of another kind.
    """
    require_format(path, where=" (domain.path)")
    if not path.exists():
        raise InvalidInput(f"there is no file {path} (domain.path); a relative path starts where the command is run")
    require_regular(path)


def read(path: Path, config: Config, on_note: Callable[[str], None]) -> LabelledRows:
    """All rows.

    Args:
        path: of the file.
        config: what columns are, and how they are read.
        on_note: told what the features are, and what is missing of them.

    Raises:
        InvalidInput: naming file, column and row of what is wrong; rows are counted from 1, without the header.
    """
    roles = config.roles
    try:
        table = open_table(path, require_format(path, where=" (domain.path)"))
        features = _features(table, config)
        table.require([*roles.named, *config.categorical])
        table.check_cells()
        cells = _cells(table, [name for name in roles.named if name not in roles.ignored], features, config)
    except BadTable as error:
        raise InvalidInput(f"{error}; columns are named in [domain]") from error
    if not len(cells):
        raise InvalidInput(f"{path} has no rows; expected one a sample, with the column {roles.outcome!r}")
    outcome = _outcome(cells, config)
    groups = {name: _group(cells, name, config) for name in roles.sensitive}
    read_features = [feature(cells, name, config) for name in features]
    if not read_features:
        raise InvalidInput(f"{path} has no feature: every column is an outcome, sensitive, ignored, an id or a split")
    _say(path, read_features, on_note)
    part = None if roles.split is None else parts(cells, roles.split, outcome)
    if part is not None:
        outcome = Categorical(outcome.name, part.masked(outcome.values), outcome.words)
    ids = None if roles.id is None else _ids(cells, roles.id)
    return LabelledRows(tuple(read_features), outcome, groups, ids, None if part is None else part.of)


def _features(table: Table, config: Config) -> list[str]:
    """Names of the columns that are features, in the order of the file."""
    roles = config.roles
    hidden = {*roles.named} - ({*roles.sensitive} if config.use_sensitive else set())
    names = [name for name in table.columns if name.strip() not in hidden and name not in hidden]
    for name in names:
        if not name.strip():
            position = table.columns.index(name) + 1
            raise BadTable(
                table.name,
                f"column {position} has no name, as the row numbers that a data frame writes; name it, or add "
                f"{name!r} to domain.ignore",
            )
    return names


def _cells(table: Table, plain: Sequence[str], features: Sequence[str], config: Config) -> Cells:
    """The named columns as texts without white space around them, and as numbers where the file has numbers."""
    import polars as pl

    names = list(dict.fromkeys([*plain, *features]))
    # A word such as NA is a class where somebody names it as one.
    words = tuple(word for word in (*WORDS, *config.missing) if word not in (config.classes or ()))
    with table.reading():
        rows = table.lazy(names)
        kinds = rows.collect_schema()
        try:
            every = [
                as_text(pl.col(f"c{i}"), kinds[f"c{i}"], name, words).str.strip_chars().alias(f"c{i}")
                for i, name in enumerate(names)
            ]
        except InvalidInput as error:  # which knows no file
            raise BadTable(table.name, f"{error}, or domain.ignore to name the column") from error
        texts = rows.select(every).collect()
        typed = [f"c{i}" for i in range(len(names)) if kinds[f"c{i}"].is_numeric()]
        numbers = rows.select(pl.col(typed).cast(pl.Float64)).collect() if typed else pl.DataFrame()
    blank = texts.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if table.blanks == blank.sum():
        texts, numbers = texts.filter(~blank), numbers.filter(~blank) if typed else numbers
    return Cells(
        table.name,
        {name: texts[f"c{i}"] for i, name in enumerate(names)},
        {name: numbers[f"c{i}"].to_numpy() for i, name in enumerate(names) if f"c{i}" in typed},
    )


def _outcome(cells: Cells, config: Config) -> Categorical:
    """What is to be predicted, -1 where there is nothing."""
    name, classes = config.roles.outcome, config.classes
    column = binned(cells, name, config.bins[name]) if name in config.bins else words_of(cells, name)
    if classes is None:
        _check_ways(cells, column, "; or name the classes in domain.classes")
    else:
        column = _ordered(cells, column, classes)
    present = len(np.unique(column.values[column.values >= 0]))
    if present < 2:
        only = f"only {column.words[int(column.values.max())]!r}" if present else "nothing"
        raise InvalidInput(
            f"{cells.where} has {only} in column {name!r}; a classifier needs rows of two classes or more"
        )
    if len(column.words) > config.most_categories:
        raise InvalidInput(
            f"{cells.where} has {len(column.words):,} different values in column {name!r} (domain.outcome); expected "
            f"classes: give edges of a number, domain.bins = {{ {name} = [...] }}, or raise domain.most_categories"
        )
    return column


def _ordered(cells: Cells, column: Categorical, classes: Sequence[str]) -> Categorical:
    unknown = sorted({*column.words} - {*classes})
    if unknown:
        row = int(np.flatnonzero(column.values == column.words.index(unknown[0]))[0]) + 1
        raise InvalidInput(
            f"{cells.where}: {unknown[0]!r} in column {column.name!r} (row {row:,}) is none of domain.classes "
            f"({', '.join(classes[:_SHOWN])}); add it there, or correct the row"
        )
    number = np.array([-1, *(classes.index(word) for word in column.words)], np.int64)  # of -1 too
    return Categorical(column.name, number[column.values + 1], tuple(classes))


def _group(cells: Cells, name: str, config: Config) -> Categorical:
    """A sensitive column; every row has a value."""
    column = binned(cells, name, config.bins[name]) if name in config.bins else words_of(cells, name)
    lacking = np.flatnonzero(column.values < 0)
    if len(lacking):
        raise InvalidInput(
            f"{cells.where} has nothing in row {lacking[0] + 1:,} of column {name!r} (domain.sensitive), as in "
            f"{len(lacking):,} row{'s'[: len(lacking) > 1]} of it; give them a value, such as 'unknown'"
        )
    if len(column.words) > config.most_categories:
        raise InvalidInput(
            f"{cells.where} has {len(column.words):,} different values in column {name!r} (domain.sensitive); expected "
            f"groups: give edges of a number, domain.bins = {{ {name} = [...] }}, or raise domain.most_categories"
        )
    _check_ways(cells, column, "")
    return column


def _check_ways(cells: Cells, column: Categorical, otherwise: str) -> None:
    """Refuse a value that is written in two ways, which would be two classes or groups."""
    ways = two_ways(column.words)
    if ways is not None:
        raise InvalidInput(
            f"{cells.where}: {ways[0]!r} and {ways[1]!r} in column {column.name!r} look like one value written in two "
            f"ways; write it in one way{otherwise}"
        )


def _ids(cells: Cells, name: str) -> list[str]:
    seen: dict[str, int] = {}
    for row, text in enumerate(cells.texts[name].to_list(), 1):
        if text is None:
            raise InvalidInput(f"{cells.where} has no id in row {row:,}, column {name!r} (domain.id)")
        if text in seen:
            raise InvalidInput(
                f"{cells.where} has the id {text!r} in rows {seen[text]:,} and {row:,} of column {name!r} (domain.id); "
                "expected a different one in every row"
            )
        seen[text] = row
    return [*seen]


def _say(path: Path, features: Sequence[Numeric | Categorical], on_note: Callable[[str], None]) -> None:
    """What the features are, what is missing of them, and what looks like a mistake."""
    words = [each for each in features if isinstance(each, Categorical)]
    said = f"{path.name}: features of numbers: {len(features) - len(words)}, of categories: {len(words)}"
    shares = {each.name: _missing_share(each) for each in features}
    lacking = {name: share for name, share in shares.items() if share}
    if lacking:
        listed = ", ".join(f"{name} {share:.1%}" for name, share in [*lacking.items()][:_SHOWN])
        said += f"; missing: {listed} (it is a category of its own, and a number becomes the mean of the training set)"
    on_note(said)
    for each in features:
        if isinstance(each, Numeric) and _counts_rows(each):
            on_note(f"{path.name}: {each.name!r} numbers the rows; if it is an id, set domain.id or domain.ignore")
        if isinstance(each, Categorical) and (ways := two_ways(each.words)) is not None:
            on_note(f"{path.name}: {ways[0]!r} and {ways[1]!r} in column {each.name!r} are taken for two categories")


def _missing_share(column: Numeric | Categorical) -> float:
    gone = np.isnan(column.values) if isinstance(column, Numeric) else column.values < 0
    return float(gone.mean())


def _counts_rows(column: Numeric) -> bool:
    return len(column.values) > 2 and bool(np.all(np.diff(column.values) == 1))
