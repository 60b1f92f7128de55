"""Names of stored things are written in `biasloop/contract/names.py`, and nowhere else in core and plugins."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import toy

from biasloop.contract import data, names

FILE = toy.PROJECT / "biasloop" / "contract" / "names.py"
NAMES = {name: value for name, value in vars(names).items() if name.isupper()}
BEGINNINGS = tuple(value for value in NAMES.values() if not value[-1].isalnum())
LOGGED = tuple(f".{table}" for table in (names.CURVE, names.STAR))

# Words that are no name of a stored thing: files or folders, words, and what they are there.
ALLOWED = [
    (
        "biasloop/datasets/ biasloop/cli/generate.py biasloop/running/generate.py plugins/biasloop_command/samples.py "
        "plugins/biasloop_generators/pictures.py plugins/biasloop_images/biased/build.py "
        "plugins/biasloop_tabular/splits.py "
        "plugins/biasloop_images/clothing.py plugins/biasloop_images/folder.py plugins/biasloop_images/splits.py",
        "test valid",
        "splits of data",
    ),
    (
        "biasloop/datasets/ plugins/biasloop_images/user_arrays.py "
        "plugins/biasloop_images/biased/assignments.py plugins/biasloop_language/scorers/",
        "classes embedding groups text",
        "members of files that others have made, or a cache",
    ),
    (
        "biasloop/evaluations/ biasloop/report/figures/evaluation.py biasloop/report/tables/evaluation.py "
        "biasloop/report/tables/embeddings.py",
        "classes confidence group groups text",
        "keys and headings of what is said of a person's own table",
    ),
    (
        "plugins/biasloop_command/calls.py plugins/biasloop_command/outputs.py plugins/biasloop_command/samples.py",
        "confidence prediction weight",
        "columns of the files exchanged with a person's programs",
    ),
    (
        "biasloop/metrics/amplification.py biasloop/metrics/calibration.py biasloop/metrics/fairness.py "
        "biasloop/training/sources.py plugins/biasloop_generators/kinds.py plugins/biasloop_images/biased/design.py",
        "classifier confidence generator group prediction target",
        "what messages call an argument or a setting",
    ),
    (
        "biasloop/feedback/generations.py biasloop/report/figures/round_values.py",
        "annotator generator star",
        "keys and values of [loop]",
    ),
    ("biasloop/cli/evaluate.py biasloop/report/tables/annotators.py", "annotator", "a heading, and a key of JSON"),
    ("biasloop/running/sinks/tensorboard.py", "text", "what TensorBoard calls a part of it"),
    ("plugins/biasloop_roles/annotations.py", "test", "what files are called"),
    ("plugins/biasloop_textclass/splits.py", "text", "what a sample is called in messages"),
    ("plugins/biasloop_generators/released.py", "epoch", "columns of published files"),
    ("biasloop/config/across.py", "epoch", "what an axis shows"),
    ("biasloop/training/loop.py", "epoch", "an array of a checkpoint"),
    ("biasloop/cli/presets_list.py", "group", "a key of the list of presets"),
    ("biasloop/running/plugin_facts.py", "text", "the kind of a setting"),
    ("biasloop/feedback/accumulate.py biasloop/running/generate.py", "pretrained score", "calls"),
    ("biasloop/contract/testing/", "fit groups score truth", "methods of domains, and random streams"),
    ("biasloop/training/distributed.py biasloop/training/common_fits.py", "fit ids", "messages between processes"),
    (
        "biasloop/datasets/mixing_shards.py biasloop/running/drawing.py biasloop/running/drawing_worker.py",
        "generator text",
        "keys of what is said beside pictures, and of messages between processes",
    ),
    (
        "biasloop/metrics/retrieval.py biasloop/predictions/embeddings.py",
        "text",
        "what messages call rows",
    ),
    ("plugins/biasloop_clip/shards_config.py", "test", "a setting"),
    (
        "biasloop/records/ledger.py biasloop/store/codec.py biasloop/store/shapes.py",
        "ids text weight",
        "the ledger's and the store's own",
    ),
    (
        "plugins/biasloop_generators/config.py plugins/biasloop_images/config.py plugins/biasloop_roles/config.py "
        "plugins/biasloop_textclass/config.py",
        "categories classifier generator population prediction pretrained test text",
        "names of settings",
    ),
]
# Names that one plugin alone knows are written once in it.
OF_ONE_PLUGIN = {
    "biasloop_generators": ("image", "label", "margin", "samples"),
    "biasloop_language": ("loss_tokens", "tokens"),
    "biasloop_textclass": ("kinds", "tokens"),
}


def strings(text: str) -> Iterator[tuple[str, int]]:
    """Strings of a source, parts of f-strings too, with the line.

    Left out are docstrings, what `Literal` lists, and names of random streams, the arguments of `.at(...)`.
    """
    yield from _strings(ast.parse(text))


def _strings(node: ast.AST) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant):
            if isinstance(child.value, str) and not isinstance(node, ast.Expr) and not _names_a_stream(node):
                yield child.value, child.lineno
        elif not (isinstance(child, ast.Subscript) and ast.unparse(child.value).endswith("Literal")):
            yield from _strings(child)


def _names_a_stream(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "at"


def is_name(text: str) -> bool:
    """A name itself, one that begins as names do whose end varies, or that of a logged table."""
    one_word = re.fullmatch(r"[\w.-]+", text) is not None
    return text in NAMES.values() or (one_word and (text.startswith(BEGINNINGS) or text.endswith(LOGGED)))


def typed() -> Iterator[tuple[str, str, int]]:
    """File, name and line, of every name that core or a plugin has typed."""
    for path in sources("biasloop", "plugins"):
        if path != FILE:
            file = str(path.relative_to(toy.PROJECT))
            yield from ((file, word, line) for word, line in strings(path.read_text()) if is_name(word))


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((toy.PROJECT / folder).rglob("*.py"))]


def test_a_name_is_written_in_one_module():
    wrong = [
        f"{file}:{line} types {word!r}; take it from biasloop.contract.names"
        for file, word, line in typed()
        if not any(file.startswith(tuple(files.split())) and word in words.split() for files, words, _ in ALLOWED)
    ]
    assert not wrong, "\n".join(wrong)


def test_all_that_is_allowed_is_used():
    stands = {(file, word) for file, word, _ in typed()}
    for files, words, _ in ALLOWED:
        uses = {(start, word) for start in files.split() for file, word in stands if file.startswith(start)}
        uses = {(start, word) for start, word in uses if word in words.split()}
        assert {start for start, _ in uses} == set(files.split())
        assert {word for _, word in uses} == set(words.split())


@pytest.mark.parametrize("plugin", OF_ONE_PLUGIN)
def test_a_name_of_one_plugin_is_written_once_in_it(plugin):
    counts = Counter(word for path in sources(f"plugins/{plugin}") for word, _ in strings(path.read_text()))
    assert [counts[word] for word in OF_ONE_PLUGIN[plugin]] == [1] * len(OF_ONE_PLUGIN[plugin])


@pytest.mark.parametrize(
    "planted",
    [
        'tables["test"]',
        '{"test": Frame({})}',
        'Column(ids, role="ids")',
        'def column(role: str = "text"): ...',
        '"prediction" in table',
        'name.startswith("epoch-")',
        'frames["fit.curve"]',
        'f"{kind}.star"',
        'f"annotator-{target}"',
        'setup.frames["vocabulary.sources"]',
        "f\"{column.removeprefix('group')}\"",
        'f"drawn.{number}"',
    ],
)
def test_what_is_typed_anew_is_seen(planted):
    assert [word for word, _ in strings(planted) if is_name(word)]


@pytest.mark.parametrize(
    "other",
    [
        '"test"',  # a docstring
        'kind: Literal["test", "valid"]',
        'work.streams.at("score", 1)',
        '"the test set"',
        'f"{share:.0%} of the population"',
        '"population.count."',  # a metric
        '"label_error"',
    ],
)
def test_other_words_are_not(other):
    assert not [word for word, _ in strings(other) if is_name(word)]


def test_every_constant_is_explained_in_a_line_and_nothing_is_imported():
    body = ast.parse(FILE.read_text()).body
    assert not [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    constants = [number for number, node in enumerate(body) if isinstance(node, ast.Assign)]
    assert len(constants) == len(NAMES)
    for number in constants:
        explained = body[number + 1]
        assert isinstance(explained, ast.Expr)
        assert explained.lineno == explained.end_lineno


def test_every_role_is_among_the_names():
    assert set(data.ROLES) - {""} <= set(NAMES.values())


def test_a_logged_table_is_called_after_its_call():
    assert names.logged(names.FIT, names.CURVE) == "fit.curve"
