"""Presets: found along the path, extended, overridden, typed; what cannot be read is named with its place."""

import os
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from support import toy

from biasloop.config import presets
from biasloop.errors import InvalidInput


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory without presets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIASLOOP_PRESETS", raising=False)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(name: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        presets.read(name)
    return str(caught.value)


# --- finding


def test_the_working_directory_comes_before_the_variable_and_an_earlier_directory_before_a_later(place, monkeypatch):
    first, second = place / "first", place / "second"
    monkeypatch.setenv("BIASLOOP_PRESETS", f"{first}{os.pathsep}{second}")
    write(second / "study.toml", 'summary = "second"')
    assert presets.read("study").values["summary"] == "second"
    write(first / "study.toml", 'summary = "first"')
    assert presets.read("study").values["summary"] == "first"
    write(place / "presets" / "study.toml", 'summary = "mine"')
    assert presets.read("study").values["summary"] == "mine"


def test_a_shipped_name_means_the_shipped_preset_and_a_line_names_the_other(place, monkeypatch):
    monkeypatch.setenv("BIASLOOP_PRESETS", str(place / "more"))
    for directory in ("presets", "more"):
        path = write(place / directory / "quickstart.toml", 'summary = "mine"')
        preset = presets.read("quickstart")
        assert preset.path == presets.packaged().resolve() / "quickstart.toml"
        assert preset.values["summary"] != "mine"
        assert [note for note in preset.notes if f"--preset {path}" in note and "comes with biasloop" in note]
        assert presets.read("quickstart-mini").notes == preset.notes
        by_path = presets.read(f"{directory}/quickstart.toml")
        assert (by_path.values["summary"], by_path.notes) == ("mine", ())


def test_a_name_without_its_ending_is_refused_with_the_file_that_lies_there(place):
    write(place / "hiring.toml", 'extends = "quickstart"')
    said = "there is no preset 'hiring'; did you mean ./hiring.toml? `biasloop presets` lists them"
    assert refusal("hiring") == said
    assert refusal("hiring-mini") == said
    assert presets.read("./hiring.toml").values["domain"]["name"] == "images"
    write(place / "quickstrat.toml", "")
    assert "did you mean ./quickstrat.toml?" in refusal("quickstrat")  # before what is nearest
    (place / "quikstart.toml").mkdir()
    assert "did you mean 'quickstart'?" in refusal("quikstart")


def test_a_copy_of_a_shipped_preset_is_no_news(place):
    shipped = presets.packaged() / "quickstart.toml"
    write(place / "presets" / "quickstart.toml", shipped.read_text(encoding="utf-8"))
    assert presets.read("quickstart").notes == ()


def test_a_preset_of_ones_own_is_said_to_be_with_its_place_and_the_programs_that_it_runs(place):
    path = write(place / "presets" / "mine.toml", 'summary = "s"')
    preset = presets.read("mine")
    assert str(path) in preset.whose
    assert "not one of the presets that come with biasloop" in preset.whose
    assert preset.notes == ()
    write(path, '[domain]\nname = "command"\ntrain = ["sh", "-c", "rm x"]\npredict = ["true"]')
    (note,) = presets.read("mine").notes
    assert f"{path} and runs programs: sh -c 'rm x'; true" in note
    by_path = presets.read("presets/mine.toml")
    assert (by_path.notes, by_path.whose) == ((), "")


def test_a_preset_extends_the_shipped_one_of_a_name_unless_a_path_is_given(place):
    write(place / "presets" / "quickstart.toml", 'summary = "mine"')
    child = write(place / "presets" / "child.toml", 'extends = "quickstart"')
    preset = presets.read("child")
    assert preset.values["summary"] != "mine"
    assert any(f"{child} extends the quickstart that comes with biasloop" in note for note in preset.notes)
    assert presets.read("presets/child.toml").values["summary"] == "mine"
    write(child, 'extends = "presets/quickstart.toml"')
    assert presets.read("child").values["summary"] == "mine"


def test_a_directory_that_is_not_there_is_passed_over(place, monkeypatch):
    monkeypatch.setenv("BIASLOOP_PRESETS", str(place / "nowhere"))
    assert presets.search_path() == [presets.packaged().resolve()]


def test_the_package_brings_presets(place):
    assert "quickstart" in presets.files()


def test_an_unknown_name_is_answered_with_the_nearest(place):
    assert "'quickstart'" in refusal("quickstrat")
    assert "biasloop presets" in refusal("zzz")


def test_a_file_is_found_by_its_path_wherever_it_lies(place):
    write(place / "deep" / "mine.toml", 'summary = "by path"')
    assert presets.read("deep/mine.toml").values["summary"] == "by path"
    assert presets.read(str(place / "deep" / "mine.toml")).values["summary"] == "by path"
    assert "deep/other.toml" in refusal("deep/other.toml")


def test_listing_gives_every_preset_and_the_reason_where_one_cannot_be_read(place):
    write(place / "presets" / "good.toml", 'summary = "s"\nsource = "t"\n[domain]\nname = "toy"\n[mini]\nseeds = "0"')
    write(place / "presets" / "broken.toml", "summary =")
    found = {one.name: one for one in presets.listing()}
    assert (found["good"].domain, found["good"].summary, found["good"].source) == ("toy", "s", "t")
    assert found["good"].mini
    assert "broken.toml" in found["broken"].problem
    assert found["quickstart"].problem == ""


@pytest.mark.parametrize("text", ['domain = "images"', "domain = 3", "mini = 3", "grid = 3", "[[domain]]\nname = 1"])
def test_listing_survives_any_toml(place, text):
    write(place / "presets" / "odd.toml", text)
    assert "odd" in {one.name for one in presets.listing()}


# --- reading


def test_bad_toml_is_named_with_file_and_line(place):
    path = write(place / "bad.toml", 'summary = "fine"\nseeds = = 3\n')
    message = refusal(str(path))
    assert str(path) in message
    assert "line 2" in message


def test_a_file_that_is_not_utf8_is_named(place):
    path = place / "latin.toml"
    path.write_bytes('summary = "é"'.encode("latin-1"))
    message = refusal(str(path))
    assert str(path) in message
    assert "UTF-8" in message


def test_a_byte_order_mark_is_no_obstacle(place):
    path = place / "windows.toml"
    path.write_bytes(b'\xef\xbb\xbfsummary = "s"\r\n')
    assert presets.read(str(path)).values["summary"] == "s"


def test_a_child_changes_single_keys_of_its_parent(place):
    write(place / "presets" / "parent.toml", 'summary = "p"\n[loop]\nstart = 10\nhuman = 2\n[domain]\nname = "toy"')
    write(place / "presets" / "child.toml", 'extends = "parent"\n[loop]\nhuman = 3')
    found = presets.read("child")
    assert found.values == {"summary": "p", "loop": {"start": 10, "human": 3}, "domain": {"name": "toy"}}
    assert found.origin(("loop", "human")).endswith("child.toml")
    assert found.origin(("loop", "start")).endswith("parent.toml")
    assert "extends" not in found.values


def test_a_grandchild_merges_three_layers(place):
    write(place / "presets" / "a.toml", "[loop]\nstart = 1\nhuman = 1\nmodel = 1")
    write(place / "presets" / "b.toml", 'extends = "a"\n[loop]\nhuman = 2\nmodel = 2')
    write(place / "presets" / "c.toml", 'extends = "b"\n[loop]\nmodel = 3')
    assert presets.read("c").values["loop"] == {"start": 1, "human": 2, "model": 3}


def test_another_domain_takes_none_of_the_former_ones_settings(place):
    write(place / "presets" / "parent.toml", '[domain]\nname = "images"\nnetwork = "resnet18"')
    write(place / "presets" / "child.toml", 'extends = "parent"\n[domain]\nname = "toy"\ndelta = 0.1')
    assert presets.read("child").values["domain"] == {"name": "toy", "delta": 0.1}
    fixed = presets.read("parent").override({("domain", "name"): "toy"}, "--set")
    assert fixed.values["domain"] == {"name": "toy"}


def test_a_parent_is_looked_for_beside_the_child_first(place):
    write(place / "presets" / "base.toml", 'summary = "on the path"')
    write(place / "study" / "base.toml", 'summary = "beside"')
    write(place / "study" / "child.toml", 'extends = "base"')
    write(place / "elsewhere" / "child.toml", 'extends = "base"')
    assert presets.read("study/child.toml").values["summary"] == "beside"
    assert presets.read("elsewhere/child.toml").values["summary"] == "on the path"


def test_a_circle_is_refused(place):
    write(place / "presets" / "a.toml", 'extends = "b"')
    write(place / "presets" / "b.toml", 'extends = "a"')
    write(place / "presets" / "self.toml", 'extends = "self"')
    assert "a.toml extends itself" in refusal("a")
    assert "b" in refusal("a")
    assert "self.toml extends itself" in refusal("self")


def test_a_chain_that_is_longer_than_anybody_writes_is_refused(place):
    for number in range(30):
        write(place / "presets" / f"p{number}.toml", f'extends = "p{number + 1}"')
    write(place / "presets" / "p30.toml", 'summary = "end"')
    assert "p0.toml extends more than 20 presets" in refusal("p0")
    assert presets.read("p11").values["summary"] == "end"


@pytest.mark.parametrize(
    "name", ["x" * 5_000, "x" * 5_000 + ".toml", "a\0b", "a\0b.toml", "", "/", "\udcff", "\x1b[31m"]
)
def test_a_name_that_is_none_is_refused_by_a_short_sentence(place, name):
    assert len(refusal(name)) < 500


def test_a_missing_parent_is_named_with_the_file_that_names_it(place):
    path = write(place / "presets" / "child.toml", 'extends = "quickstrat"')
    message = refusal("child")
    assert str(path) in message
    assert "extends" in message
    assert "'quickstart'" in message
    write(path, "extends = 3")
    assert str(path) in refusal("child")


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ("per_round = 50", {"start": 1, "human": 2, "per_round": 50}),
        ("model = 7", {"start": 1, "human": 2, "model": 7}),
        ("human = 5", {"start": 1, "human": 5, "model": 20}),
    ],
)
def test_of_per_round_and_model_the_later_layer_wins(place, child, expected):
    write(place / "presets" / "parent.toml", "[loop]\nstart = 1\nhuman = 2\nmodel = 20")
    write(place / "presets" / "child.toml", f'extends = "parent"\n[loop]\n{child}')
    assert presets.read("child").values["loop"] == expected


def test_both_of_per_round_and_model_in_one_layer_are_kept_for_validation_to_refuse(place):
    write(place / "presets" / "both.toml", "[loop]\nper_round = 5\nmodel = 4")
    assert presets.read("both").values["loop"] == {"per_round": 5, "model": 4}


# --- mini


def test_mini_applies_its_overrides_and_no_other_name_does(place):
    write(place / "presets" / "p.toml", "[loop]\nstart = 9\nrounds = 9\n[mini.loop]\nrounds = 2")
    assert presets.read("p").values == {"loop": {"start": 9, "rounds": 9}}
    mini = presets.read("p-mini")
    assert mini.values == {"loop": {"start": 9, "rounds": 2}}
    assert mini.name == "p-mini"
    assert "[mini]" in mini.origin(("loop", "rounds"))


def test_mini_replaces_the_grid_as_a_whole(place):
    text = '[grid]\n"loop.human" = [1, 2]\n"domain.delta" = [3]\n[mini.grid]\n"loop.human" = [1]'
    write(place / "presets" / "p.toml", text)
    assert presets.read("p-mini").values["grid"] == {"loop.human": [1]}


def test_a_child_inherits_its_parents_mini(place):
    write(place / "presets" / "p.toml", "[loop]\nrounds = 9\n[mini.loop]\nrounds = 2")
    write(place / "presets" / "c.toml", 'extends = "p"\n[loop]\nstart = 1')
    assert presets.read("c-mini").values["loop"] == {"start": 1, "rounds": 2}


def test_mini_of_a_preset_without_one_is_refused(place):
    path = write(place / "presets" / "p.toml", "[loop]\nrounds = 9")
    assert str(path) in refusal("p-mini")
    write(path, "mini = 3")
    assert "[mini]" in refusal("p-mini")


def test_a_file_that_is_called_mini_is_itself(place):
    write(place / "presets" / "p.toml", 'summary = "p"')
    write(place / "presets" / "p-mini.toml", 'summary = "a file"')
    assert presets.read("p-mini").values["summary"] == "a file"


def test_mini_works_on_a_path(place):
    write(place / "p.toml", "[loop]\nrounds = 9\n[mini.loop]\nrounds = 2")
    assert presets.read("./p.toml-mini").values["loop"] == {"rounds": 2}


# --- taking off


def test_a_child_and_a_mini_can_take_off_what_they_inherit(place):
    write(
        place / "presets" / "p.toml", '[domain]\nname = "toy"\npath = "x"\n[plot]\nlabels = { a = "A" }\nquality = "q"'
    )
    text = 'extends = "p"\nunset = ["plot.labels"]\n[plot]\nlabels = { b = "B" }\n[mini]\nunset = ["domain.path"]'
    write(place / "presets" / "c.toml", text)
    assert presets.read("c").values == {
        "domain": {"name": "toy", "path": "x"}, "plot": {"labels": {"b": "B"}, "quality": "q"},
    }  # fmt: skip
    mini = presets.read("c-mini")
    assert mini.values["domain"] == {"name": "toy"}
    assert ("domain", "path") not in mini.origins
    assert "unset" not in mini.values


def test_a_grandchild_inherits_what_was_taken_off_and_may_set_it_again(place):
    write(
        place / "presets" / "a.toml",
        '[loop]\nstart = 1\nhuman = 2\n[mini]\nunset = ["loop.start"]\nloop = { human = 3 }',
    )
    write(place / "presets" / "b.toml", 'extends = "a"\nunset = ["loop.start"]\n[mini]\nunset = []')
    write(place / "presets" / "c.toml", 'extends = "b"\n[loop]\nstart = 9')
    assert presets.read("b-mini").values == {"loop": {"human": 3}}
    assert presets.read("c").values == {"loop": {"start": 9, "human": 2}}


@pytest.mark.parametrize(
    ("unset", "words"),
    [('["loop.begin"]', "'loop.begin'"), ('["loop.start.x"]', "'loop.start.x'"), ('["nope.start"]', "'nope.start'"),
     ('"loop.start"', "list of keys"), ("[3]", "list of keys")],
)  # fmt: skip
def test_what_is_not_inherited_cannot_be_taken_off(place, unset, words):
    write(place / "presets" / "p.toml", "[loop]\nstart = 1")
    path = write(place / "presets" / "c.toml", f'extends = "p"\nunset = {unset}')
    assert str(path) in refusal("c")
    assert words in refusal("c")
    write(path, f'extends = "p"\n[mini]\nunset = {unset}\n[mini.loop]\nstart = 2')
    assert f"{path} [mini]" in refusal("c-mini")


# --- overriding


def test_override_leaves_the_preset_as_it_was(place):
    write(place / "presets" / "p.toml", "[loop]\nstart = 1")
    found = presets.read("p")
    changed = found.override({("loop", "start"): 2, ("plot", "labels", "x"): "round"}, "--set")
    assert changed.values == {"loop": {"start": 2}, "plot": {"labels": {"x": "round"}}}
    assert found.values == {"loop": {"start": 1}}
    assert changed.origin(("loop", "start")) == "--set"


def test_setting_a_key_of_the_grid_fixes_it(place):
    write(place / "presets" / "p.toml", '[loop]\nstart = 1\n[grid]\n"loop.human" = [1, 2]\n"loop.model" = [3, 4]')
    fixed = presets.read("p").override({("loop", "human"): 7}, "--set")
    assert fixed.values["grid"] == {"loop.model": [3, 4]}
    assert fixed.values["loop"]["human"] == 7


def test_setting_a_table_fixes_the_keys_of_the_grid_in_it(place):
    write(place / "presets" / "p.toml", '[loop]\nstart = 1\n[grid]\n"loop.human" = [1, 2]\n"loop.model" = [3, 4]')
    fixed = presets.read("p").override({("loop",): {"human": 7}}, "--set")
    assert fixed.values["grid"] == {"loop.model": [3, 4]}
    assert fixed.values["loop"] == {"start": 1, "human": 7}


# --- options


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("loop.human=1000", ("loop", "human"), 1000),
        ("domain.delta=0.5", ("domain", "delta"), 0.5),
        ("domain.augment=false", ("domain", "augment"), False),
        ("domain.data=cifar10", ("domain", "data"), "cifar10"),
        ('domain.data="1000"', ("domain", "data"), "1000"),
        ("summary=a, b and c", ("summary",), "a, b and c"),
        ("a.b.c.d=1", ("a", "b", "c", "d"), 1),
        ("plot.series=[1, 2]", ("plot", "series"), [1, 2]),
        ('domain.imbalance={ class = "dog", factor = 9 }', ("domain", "imbalance"), {"class": "dog", "factor": 9}),
        ("summary=x=y", ("summary",), "x=y"),
        ("summary=", ("summary",), ""),
        (" loop.human = 5 ", ("loop", "human"), 5),
    ],
)
def test_set_is_typed_reaches_any_depth_and_never_splits(text, key, value):
    found = presets.parse_set(text)
    assert found == (key, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize("text", ["loop.human", "=3", "loop..human=3", ".human=3", ""])
def test_a_set_that_is_no_assignment_is_refused_with_an_example(text):
    with pytest.raises(InvalidInput, match=r"--set loop\.human=1000"):
        presets.parse_set(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=1000,2500", [1000, 2500]),
        ("k=1", [1]),
        ("k=0.5, 1", [0.5, 1]),
        ("k=shares,bits", ["shares", "bits"]),
        ("k=[1, 2]", [1, 2]),
        ('k=["a", "b,c"]', ["a", "b,c"]),
        ("k=[1, 2],[3]", [[1, 2], [3]]),
        ('k={ class = "dog", factor = 9 },{ class = "cat", factor = 1 }',
         [{"class": "dog", "factor": 9}, {"class": "cat", "factor": 1}]),
        ("k=true,false", [True, False]),
    ],
)  # fmt: skip
def test_a_grid_is_a_list_of_typed_values(text, values):
    assert presets.parse_grid(text) == ("k", values)


@pytest.mark.parametrize("text", ["k=", "k=1,,2", "k", "k=[]"])
def test_a_grid_without_values_is_refused_with_an_example(text):
    with pytest.raises(InvalidInput, match=r"for example --(grid|set)"):
        presets.parse_grid(text)


@given(st.one_of(st.integers(-(2**62), 2**62), st.booleans(), st.floats(allow_nan=False), st.text()))
def test_a_value_written_as_toml_is_read_back(value):
    text = tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")
    assert presets.parse_value(text) == value
    assert type(presets.parse_value(text)) is type(value)


def test_the_toy_preset_of_these_tests_reads(place):
    write(place / "presets" / "toy.toml", toy.PRESET)
    assert presets.read("toy-mini").values["loop"]["rounds"] == 2


def test_a_mini_that_is_extended_is_told_from_a_preset_that_is_not_there(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "quickstart-mini"\n')
    with pytest.raises(
        InvalidInput, match="a mini cannot be extended; extend 'quickstart', and run your preset as NAME"
    ):
        presets.read(str(path))
