"""The generated references: as the program is now, and nothing of it without a description."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
import typer
from builder import commands, markdown, presets, reference, settings, words
from pydantic import BaseModel, Field
from support.toy import PROJECT

from biasloop import errors
from biasloop.cli.evaluate_options import CROSSED
from biasloop.cli.main import app
from biasloop.cli.study import ELSEWHERE
from biasloop.config import presets as library

FOLDER = PROJECT / "docs" / "reference"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_what_the_program_says_now(name):
    assert (FOLDER / name).read_text() == reference.PAGES[name](), "stale: `make references` writes it anew"


def test_there_are_no_other_pages():
    assert {path.name for path in FOLDER.iterdir()} == set(reference.PAGES)


# --- commands


def parameters() -> Iterator[tuple[str, Any]]:
    root = typer.main.get_command(app)
    for path, command in [("biasloop", root), *commands.commands(root)]:
        yield from ((path, parameter) for parameter in commands.shown(command))


def test_every_option_and_argument_says_what_it_means():
    assert [f"{path} {each.opts[0]}" for path, each in parameters() if not (each.help or "").strip()] == []


def test_every_option_is_on_the_page():
    page = (FOLDER / "commands.md").read_text()
    sections = dict(zip(*[iter(re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:])] * 2, strict=True))
    missing = [
        f"{path} {option}"
        for path, parameter in parameters()
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-") and f"`{option}`" not in sections[path]
    ]
    assert missing == []
    assert len(sections) > 25


def test_every_command_has_an_example_that_begins_with_its_name():
    groups = {path for path, command in commands.commands(typer.main.get_command(app)) if hasattr(command, "commands")}
    for path, command in commands.commands(typer.main.get_command(app)):
        found = commands.examples(command)
        assert found, path
        assert all(example.startswith("biasloop ") for example in found), path
        alone = path.rpartition(" ")[0]  # a group without a command is its first one
        assert path in groups or any(example.startswith(path) or example == alone for example in found), path


def test_exit_codes_are_the_programs():
    raised = {each.exit_code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "exit_code")}
    signals = {128 + number for number in (1, 2, 15)}
    assert set(map(int, commands.EXIT_CODES)) == {0, CROSSED, ELSEWHERE} | raised | signals


def test_every_environment_variable_is_on_the_page():
    files = [path for room in ("biasloop", "plugins") for path in (PROJECT / room).rglob("*.py")]
    used = {name for path in files for name in re.findall(r"\bBIASLOOP_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())}
    assert used == set(commands.ENVIRONMENT)


# --- settings


class Inner(BaseModel):
    """What is within."""

    share: float = Field(0.5, gt=0, le=1, description="A share.")


class Outer(BaseModel):
    """What is around."""

    number: int = Field(ge=1, lt=9, description="How many | of what.")
    word: Literal["a", "b"] | None = Field(None, description='"a" or "b".')
    either: Annotated[int, Field(ge=2)] | Literal["all"] = Field("all", description="Some, or all.")
    sides: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(None, description="Two.")
    by_name: dict[str, list[float]] = Field(default_factory=dict, description="Lists.")
    anything: dict[str, Any] = Field(default_factory=dict, description="What one wants.")
    class_name: str = Field("x", alias="class", description="Has <another> name in *presets*, see [domain].")
    inner: Inner = Inner()


def test_a_table_of_settings_in_words():
    assert settings.of_model(Outer, "some") == (
        "What is around.\n\n"
        "| key | value | default | meaning |\n|---|---|---|---|\n"
        "| `number` | whole number from 1 below 9 | required | How many \\| of what. |\n"
        '| `word` | `"a"` or `"b"` |  | "a" or "b". |\n'
        '| `either` | whole number from 2 or `"all"` | `"all"` | Some, or all. |\n'
        "| `sides` | list of whole numbers, 2 of them |  | Two. |\n"
        "| `by_name` | table of lists of numbers |  | Lists. |\n"
        "| `anything` | table |  | What one wants. |\n"
        '| `class` | text | `"x"` | Has &lt;another&gt; name in \\*presets\\*, see \\[domain\\]. |\n'
        "| `inner` | table | see below | What is within. |\n\n"
        "**`[some.inner]`**: What is within.\n\n"
        "| key | value | default | meaning |\n|---|---|---|---|\n"
        "| `share` | number above 0 to 1 | `0.5` | A share. |\n\n"
    )


def test_a_setting_without_a_description_is_refused():
    class Silent(BaseModel):
        inner: Inner = Inner()
        said: int = 1

    with pytest.raises(settings.UndocumentedError, match=r"^domain\.said has no description$"):
        settings.of_model(Silent, "domain")


def test_every_domain_and_selector_of_biasloop_has_its_section():
    assert {"clip", "clip-shards", "command", "generators", "images", "language", "roles", "textclass"} <= set(
        settings.domains()
    )
    assert "toy" not in settings.domains()
    assert len(settings.selectors()) >= 14


def test_lists_of_what_is_named():
    assert words.kind(Outer.model_fields["sides"]) == "list of whole numbers, 2 of them"
    assert list(words.models(Outer.model_fields["inner"].annotation)) == [Inner]
    assert list(words.models(dict[str, list[Inner]] | None)) == [Inner]


def test_columns_that_are_empty_are_left_out():
    assert markdown.table(["a", "b", "c"], [["1", "", "x"], ["2", "", ""]]) == (
        "| a | c |\n|---|---|\n| 1 | x |\n| 2 |  |\n\n"
    )


# --- presets and figures


def test_every_preset_is_on_the_page_under_its_study():
    page = (FOLDER / "presets.md").read_text()
    shipped = [each.name for each in library.listing() if library.is_shipped(each.path)]
    assert len(shipped) > 100
    assert [name for name in shipped if page.count(f"| `{name}` ") != 1] == []
    with pytest.raises(KeyError):
        presets.study_of("another-study")
    assert presets.study_of("bias-amp-cifar100") == presets.STUDIES["bias-amp"]


def test_names_are_sorted_by_their_numbers():
    assert sorted(["fig10", "fig3", "fig3-top"], key=presets.by_number) == ["fig3", "fig3-top", "fig10"]
