"""What answers at once imports nothing heavy: help, lists, the bound, and every refusal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import toy

HEAVY = (
    "torch", "torchvision", "transformers", "accelerate", "diffusers", "open_clip", "pandas", "pyarrow", "matplotlib",
    "polars", "sklearn", "scipy.stats", "IPython",
)  # fmt: skip

# The script as an installer writes it, run once a command in one process: what an earlier command has imported is
# counted against that one.
RUN = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points

(script,) = entry_points(group="console_scripts", name="biasloop")
main = script.load()
found, seen = [], set()
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["biasloop", *arguments]
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    heavy = sorted(name for name in json.loads(sys.stdin.readline()) if name in sys.modules)
    found.append([arguments, code, [name for name in heavy if name not in seen], err.getvalue()])
    seen |= set(heavy)
print(json.dumps(found))
"""

LIGHT = {
    0: [
        ["--help"],
        ["--version"],
        *([command, "--help"] for command in ("loop", "bound", "evaluate", "presets", "runs", "plot", "page", "fetch")),
        ["presets"],
        ["presets", "--json"],
        ["presets", "show", "quickstart"],
        ["plugins"],
        ["plugins", "--json"],
        ["runs"],
        ["runs", "verify", "done"],
        ["runs", "show", "done/seed-0"],
        ["fetch"],
        ["bound", "--n0", "50000", "--human", "1000", "--model", "4000", "--rounds", "89"],
        ["bound", "--n0", "50000", "--per-round", "5000", "--max-amplification", "1.5", "--json"],
        ["bound", "--from", "done/seed-0"],
        ["bound", "--scenario", "web-text", "--keep-under", "1.5%"],
        ["loop", "--preset", "quickstart", "--dry-run"],
    ],
    2: [
        ["loop"],
        ["nonsense"],
        ["loop", "--preset", "quickstrat"],
        ["loop", "--preset", "quickstart", "--set", "loop.humn=1"],
        ["loop", "--preset", "quickstart", "--set", "domain.widht=1"],
        ["loop", "--preset", "quickstart", "--set", "loop.start=100000"],
        ["bound", "--n0", "x"],
        ["plot", "nowhere"],
        ["page", "--preset", "quickstrat"],
        ["page", "--preset", "quickstart", "--output", "page.gif"],
        ["page", "--preset", "toy"],
        ["evaluate", "run", "nowhere"],
        ["generate", "--run", "nowhere", "--output", "x.csv"],
    ],
    3: [
        [command, "--preset", "quickstart", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"]
        for command in ("loop", "page")
    ],
    1: [["loop", "--preset", "toy", "--out", "done", "--set", "domain.delta=0.1"]],
}


# What reads no stored run and no data set needs no arrays either.
ARRAYS = ("numpy", "h5py")
WITHOUT_ARRAYS = [
    ["--help"],
    ["presets"],
    ["plugins"],
    ["runs"],
    ["fetch"],
    ["bound", "--n0", "50000", "--human", "1000", "--model", "4000", "--rounds", "89"],
    ["loop", "--preset", "quickstart", "--set", "loop.humn=1"],
    ["loop", "--preset", "quickstart", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"],
    ["loop", "--preset", "fig5-beam"],
]


def run(place, commands, modules, paths=()):
    """What `RUN` found out about the commands."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(commands)], input=f"{json.dumps(modules)}\n" * len(commands), text=True,
        cwd=place, env=toy.environment(paths, {"BIASLOOP_DATA": str(place)}), capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def references(tmp_path_factory, toy_metadata) -> dict[tuple[str, ...], tuple[int, list[str], str]]:
    """Exit code, heavy modules that came in, and stderr of every command."""
    place: Path = tmp_path_factory.mktemp("startup")
    (place / "presets").mkdir()
    (place / "presets" / "toy.toml").write_text(toy.PRESET)
    done = toy.biasloop("loop", "-p", "toy", "--out", "done", cwd=place, paths=[toy_metadata])
    assert done.returncode == 0, done.stderr
    commands = [arguments for group in LIGHT.values() for arguments in group]
    return {
        tuple(arguments): (code, heavy, err)
        for arguments, code, heavy, err in run(place, commands, HEAVY, [toy_metadata])
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(tuple(arguments), code) for code, group in LIGHT.items() for arguments in group],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_nothing_heavy_is_imported(references, arguments, code):
    found, heavy, err = references[arguments]
    assert (found, heavy) == (code, []), err


def test_no_arrays_are_imported(tmp_path):
    found = run(tmp_path, WITHOUT_ARRAYS, ARRAYS)
    assert not [(arguments, modules) for arguments, _, modules, _ in found if modules]
    assert [code for _, code, _, _ in found] == [0, 0, 0, 0, 0, 0, 2, 3, 3]


def test_the_package_itself_loads_nothing(tmp_path):
    """Not even what its names stand for, which come when they are asked for."""
    asked = """
import sys, biasloop
loaded = [name for name in sys.modules if name.startswith("biasloop.") or name in ("numpy", "pydantic", "typer")]
print(loaded, len(dir(biasloop)) > 10)
from biasloop import open_run
import biasloop.bound
print(biasloop.bound.limit(1, 4), [name for name in ("torch", "polars", "matplotlib", "pandas") if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=toy.environment([toy.PROJECT]),
    )  # fmt: skip
    assert ran.stdout.splitlines() == ["[] True", "5.0 []"]


def test_what_the_package_does_not_have_is_said():
    import biasloop

    with pytest.raises(AttributeError, match="has no attribute 'runn'; it has BiasloopError, Run, "):
        getattr(biasloop, "runn")  # noqa: B009 - as `biasloop.runn` would
    assert {"run", "open_run", "evaluate", "plot", "bound"} <= set(dir(biasloop))
    assert biasloop.evaluate is biasloop.evaluate


def test_this_test_sees_what_is_imported(tmp_path):
    """The modules are looked for under the names that they import under."""
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, scipy.stats; print('scipy.stats' in sys.modules)"],
        capture_output=True, text=True, check=True, env=toy.environment(),
    )  # fmt: skip
    assert ran.stdout == "True\n"
