"""Which module may import which: arrows point one way, plugins know no rounds and no files, files stay short."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli
from support import toy

CORE = toy.PROJECT / "biasloop"
PLUGINS = toy.PROJECT / "plugins"
LONGEST = 400
ALIKE = 100  # characters of code from which on two functions say the same by no accident

GROUND = ("bound", "config.flatten", "config.strict", "contract", "datasets", "downloads", "errors", "hdf5", "lazy",
          "metrics", "parsing", "prepared", "printable", "records", "store", "system", "tables")  # fmt: skip
# What each part of the ground floor may import of the others.
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "lazy": set(),
    "printable": set(),
    "config.flatten": set(),
    "config.strict": set(),
    "system": {"errors"},
    "parsing": {"errors", "system"},
    "prepared": {"errors", "system"},
    "contract": {"errors", "lazy", "prepared"},
    "hdf5": {"contract", "errors", "lazy", "printable", "system"},
    "tables": {"contract", "errors", "lazy", "system"},
    "records": {"contract", "errors", "lazy"},
    "metrics": {"contract", "errors", "lazy"},
    "bound": {"contract", "errors"},
    "downloads": {"errors", "system"},
    "datasets": {"contract", "downloads", "errors", "hdf5", "lazy", "parsing", "system", "tables"},
    "store": {"config.flatten", "contract", "errors", "hdf5", "lazy", "printable", "records", "system"},
}
HEAVY = ("torch", "torchvision", "transformers", "accelerate", "diffusers", "open_clip", "pandas", "pyarrow",
         "matplotlib", "polars", "sklearn", "scipy")  # fmt: skip


def sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def named(path: Path) -> str:
    return str(path.relative_to(toy.PROJECT))


def imports(path: Path, *, late: bool = True) -> Iterator[tuple[str, int]]:
    """Full names that a file imports, with the line; `late`: also inside functions and for type checking."""
    return _imports(ast.parse(path.read_text()).body, late=late)


def _imports(body: list[ast.stmt], *, late: bool) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif late or not _comes_late(node):
            yield from _imports(_inside(node), late=late)


def _inside(node: ast.stmt) -> list[ast.stmt]:
    """The statements that stand directly in one."""
    found: list[ast.stmt] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            found.append(child)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            found += child.body
    return found


def _comes_late(node: ast.stmt) -> bool:
    """Whether what stands in it is not run when the module is imported."""
    checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    return checking or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def part(name: str) -> str | None:
    """`store` of `biasloop.store.codec.decode`; None outside the core, empty for the package itself."""
    pieces = name.split(".")
    if pieces[0] != "biasloop":
        return None
    for module in ("config.flatten", "config.strict"):  # alone of their folder they stand at the ground
        if name.startswith(f"biasloop.{module}"):
            return module
    return pieces[1] if len(pieces) > 1 and ((CORE / pieces[1]).is_dir() or (CORE / f"{pieces[1]}.py").exists()) else ""


def files_of(name: str) -> list[Path]:
    module = CORE / f"{name.replace('.', '/')}.py"
    return [module] if module.exists() else sources(CORE / name)


def wrong(files: list[Path], allowed, *, late: bool = True) -> list[str]:
    return [
        f"{named(path)}:{line} imports {name}"
        for path in files
        for name, line in imports(path, late=late)
        if not allowed(name)
    ]


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_floor_imports_nothing_above_it(name):
    files = files_of(name)
    assert files
    assert not wrong(files, lambda other: part(other) in {None, "", name} | BELOW[name])


def test_the_core_knows_no_plugin_and_no_test():
    plugins = {path.name for path in PLUGINS.iterdir() if path.is_dir()}
    assert "biasloop_images" in plugins
    assert not wrong(sources(CORE), lambda name: not name.startswith(("biasloop_", "plugins", "tests", "support")))


def test_nothing_of_the_core_imports_training():
    files = [path for path in sources(CORE) if CORE / "training" not in path.parents]
    assert not wrong(files, lambda name: part(name) != "training")


def test_only_training_imports_anything_heavy_when_it_is_imported():
    files = [path for path in sources(CORE) if CORE / "training" not in path.parents]
    assert not wrong(files, lambda name: name.split(".")[0] not in HEAVY, late=False)


def test_torch_is_never_imported_late_outside_training_but_by_doctor():
    files = [path for path in sources(CORE) if CORE / "training" not in path.parents and path.name != "doctor.py"]
    assert not wrong(files, lambda name: name.split(".")[0] not in ("torch", "torchvision", "transformers"))


def test_rules_import_no_engine_and_the_engine_no_command_line():
    below = {*GROUND, "feedback"} - {"datasets", "downloads", "store", "tables", "prepared"}
    assert not wrong(files_of("feedback"), lambda n: part(n) in below | {None, ""})
    assert not wrong(files_of("running"), lambda n: part(n) not in ("cli", "report", "training"))
    assert not wrong(files_of("config"), lambda n: part(n) not in ("cli", "report", "running", "store", "training"))
    assert not wrong(files_of("evaluations"), lambda n: part(n) not in ("cli", "feedback", "report", "running"))
    assert not wrong(files_of("report"), lambda n: part(n) != "cli")


def test_the_python_api_stands_beside_the_command_line_and_nobody_else_imports_it():
    assert not wrong(sources(CORE / "api"), lambda name: part(name) not in ("cli", "training"))
    others = [path for path in sources(CORE) if CORE / "api" not in path.parents and path != CORE / "__init__.py"]
    assert not wrong([*others, *sources(PLUGINS)], lambda name: part(name) != "api")


def test_scenarios_import_settings_and_the_ground():
    below = {"bound", "config", "config.strict", "contract", "errors", "lazy", "parsing", "scenario", None, ""}
    assert not wrong(files_of("scenario"), lambda name: part(name) in below)


def test_few_modules_stand_outside_folders():
    assert len(set(CORE.glob("*.py")) - {CORE / "__init__.py", CORE / "__main__.py"}) <= 7


def test_subcommands_import_the_rest_late():
    light = {None, "", "cli", "errors", "report", "system"}
    assert not wrong(sources(CORE / "cli"), lambda name: part(name) in light, late=False)


# --- plugins


def plugin_folders() -> list[Path]:
    """Folders of the plugins that are declared as entry points."""
    declared = tomli.loads((toy.PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]["biasloop.domains"]
    return sorted({PLUGINS / target.partition(":")[0].partition(".")[0] for target in declared.values()})


MAY = {"bound", "contract", "datasets", "downloads", "errors", "hdf5", "lazy", "metrics", "parsing", "printable",
       "system", "tables", "training"}  # fmt: skip


@pytest.mark.parametrize("folder", plugin_folders(), ids=lambda path: path.name)
def test_a_plugin_imports_the_contract_the_ground_floor_and_training(folder):
    def allowed(name: str) -> bool:
        if name.split(".", maxsplit=1)[0].startswith("biasloop_"):
            return name.split(".", maxsplit=1)[0] == folder.name
        return part(name) in MAY | {None, ""}

    assert not wrong(sources(folder), allowed)


def test_no_plugin_imports_another():
    folders = sorted(path.parent for path in PLUGINS.glob("*/__init__.py"))
    assert folders == plugin_folders()
    for folder in folders:
        others = tuple(other.name for other in folders if other != folder)
        assert not wrong(sources(folder), lambda name, others=others: name.split(".")[0] not in others)


def _same_everywhere(function: ast.FunctionDef) -> str:
    """What a function does, without its name, its docstring and how it is laid out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return "\n".join(ast.unparse(statement) for statement in body)


def test_what_two_plugins_would_write_alike_stands_in_the_core():
    written: dict[str, set[str]] = {}
    for folder in plugin_folders():
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and len(_same_everywhere(node)) >= ALIKE:
                    written.setdefault(_same_everywhere(node), set()).add(f"{folder.name}: {node.name}")
    assert len(written) > 100
    assert not [names for names in written.values() if len({name.split(":")[0] for name in names}) > 1]


def test_a_plugin_has_no_form_of_its_own_for_decoded_data():
    form = re.compile(r"\b(?:open_memmap|memmap|h5py|np\.savez?)\b")
    for path in sources(PLUGINS):
        assert not form.findall(ast.unparse(_without_docstrings(ast.parse(path.read_text())))), named(path)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


LIGHT = "biasloop.training.recipe."  # settings resolve to a recipe before anything is computed


def test_a_recipe_imports_nothing_heavy():
    for name in ("recipe", "schedule"):
        assert not wrong([CORE / "training" / f"{name}.py"], lambda other: other.split(".")[0] not in HEAVY)


@pytest.mark.parametrize("folder", plugin_folders(), ids=lambda path: path.name)
def test_the_module_that_an_entry_point_names_imports_nothing_heavy(folder):
    """Followed through the plugin's own modules, as Python would."""
    seen, waiting = set(), [folder / "__init__.py", folder / "domain.py"]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        for name, line in imports(path, late=False):
            assert name.split(".")[0] not in HEAVY, f"{named(path)}:{line} imports {name}"
            assert part(name) != "training" or name.startswith(LIGHT), f"{named(path)}:{line} imports {name}"
            if name.split(".")[0] == folder.name:
                waiting += [folder.joinpath(*name.split(".")[1:]).with_suffix(".py"),
                            folder.joinpath(*name.split(".")[1:-1]).with_suffix(".py")]  # fmt: skip
    assert len(seen) > 1


FILES = re.compile(r"\b(open\(|h5py|json|pickle|\.write_bytes|\.write_text|np\.save|np\.load)")
ROUNDS = re.compile(r"\b(rounds?|origins?|ledger|engine|feedback|generations?)\b", re.IGNORECASE)


@pytest.mark.parametrize("folder", plugin_folders(), ids=lambda path: path.name)
def test_a_domain_keeps_no_files_and_counts_no_rounds(folder):
    """Names and attributes are looked at, not prose: a docstring may say for what a method is called."""
    text = (folder / "domain.py").read_text()
    assert not FILES.findall(text)
    tree = ast.parse(text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    words = {word for name in names for word in name.split("_")}
    assert not {word for word in words if ROUNDS.fullmatch(word)} - {"round"}  # `round` is Python's own function
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.arg | ast.Attribute)
                and "round" in (getattr(node, "arg", "") or getattr(node, "attr", "")).split("_")]  # fmt: skip


# --- size and hygiene


@pytest.mark.parametrize("root", [CORE, PLUGINS], ids=["core", "plugins"])
def test_no_file_is_longer_than_can_be_read_at_once(root):
    long = {named(path): count for path in sources(root) if (count := len(path.read_text().splitlines())) > LONGEST}
    assert not long


def test_nothing_is_loaded_unsafely():
    unsafe = re.compile(
        r"\b(?:pickle|dill|joblib|marshal)\.(?:loads?|Unpickler)\b|\bshelve\b|(?<![\w.])(?:eval|exec)\("
        r"|shell=True|allow_pickle=True"
    )
    loads = re.compile(r"torch\.load\((?!.*weights_only=True)")
    for path in [*sources(CORE), *sources(PLUGINS)]:
        code = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
        strings = re.compile(r'"""[\s\S]*?"""')
        assert not unsafe.findall(strings.sub("", code)), named(path)
        assert not loads.findall(code), named(path)


@pytest.mark.parametrize(
    ("text", "late", "found"),
    [
        ("import a.b\nfrom c import d as e", False, ["a.b", "c.d"]),
        ("try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c", False, ["a", "b", "c"]),
        ("if x:\n    import a\nelse:\n    import b", False, ["a", "b"]),
        ("with x:\n    import a\nclass C:\n    import b\nfor i in x:\n    import c", False, ["a", "b", "c"]),
        ("def f():\n    import a\nif TYPE_CHECKING:\n    import b", False, []),
        ("def f():\n    if x:\n        import a\nif TYPE_CHECKING:\n    import b", True, ["a", "b"]),
    ],
)
def test_imports_are_found_wherever_they_stand(text, late, found):
    assert [name for name, _ in _imports(ast.parse(text).body, late=late)] == found


def _steps_an_optimizer(node: ast.AST) -> bool:
    """`x.backward(...)`, `autograd.grad(...)`, `optimizer.step(...)` or `scaler.step(...)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner, name = ast.unparse(node.func.value), node.func.attr
    return (
        name == "backward"
        or (owner.endswith("autograd") and name == "grad")
        or (name == "step" and ("optimizer" in owner or "scaler" in owner))
    )


def test_one_file_trains():
    trains = [
        named(path)
        for path in [*sources(CORE), *sources(PLUGINS)]
        if any(_steps_an_optimizer(node) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert trains == ["biasloop/training/loop.py"]
