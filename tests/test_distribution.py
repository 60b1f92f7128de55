"""The source distribution and its wheel: what is in them, and that it works where it is installed, beside a plugin."""

import email
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import tomli
from support import toy

import biasloop

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def run(arguments: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in toy.environment().items() if key != "PYTHONPATH"}
    return subprocess.run(
        arguments, cwd=cwd, env={**environment, "BIASLOOP_DATA": str(cwd / "data"), "PIP_CONFIG_FILE": "/dev/null"},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def checked(arguments: list[str], cwd: Path) -> str:
    ran = run(arguments, cwd)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The source distribution of biasloop."""
    place = tmp_path_factory.mktemp("sdist")
    checked([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(place)], toy.PROJECT)
    (file,) = place.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def wheels(sdist, tmp_path_factory) -> dict[str, Path]:
    """The wheels of biasloop, from its source distribution, and of the toy plugin, built without any download."""
    place = tmp_path_factory.mktemp("wheels")
    projects = [str(sdist), str(toy.TESTS / "toy_plugin")]
    checked([*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(place),
             *projects], place)  # fmt: skip
    return {path.name.split("-")[0]: path for path in place.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory) -> Path:
    """The programs of a fresh environment with both wheels, which borrows all other packages from this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    site = Path(checked([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).strip())
    # A line of a .pth file puts a directory last and does not read the .pth files in it: not the editable install's.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    checked([*PIP, "--python", str(python), "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
             "--force-reinstall", "--ignore-installed", *map(str, wheels.values())], place)  # fmt: skip
    return place / "bin"


@pytest.fixture
def place(tmp_path) -> Path:
    """A working directory away from any source tree."""
    (tmp_path / "toy.toml").write_text(toy.PRESET)
    return tmp_path


# --- what is in the source distribution


@pytest.fixture(scope="module")
def shipped(sdist) -> set[str]:
    """Files and directories below the top one."""
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    return files | {str(parent) for name in files for parent in Path(name).parents}


@pytest.mark.parametrize(
    "page", [toy.PROJECT / "README.md", toy.PROJECT / "SECURITY.md", *sorted((toy.PROJECT / "docs").glob("*.md"))],
    ids=lambda page: page.name,
)  # fmt: skip
def test_the_source_distribution_ships_what_its_pages_point_to(shipped, page):
    text, folder = page.read_text(), page.relative_to(toy.PROJECT).parent
    linked = {str(folder / target.partition("#")[0]) for target in re.findall(r"\]\(([\w./#-]+)\)", text)}
    rooms = r"`(?:python )?((?:biasloop|plugins|presets|docs|tests|benchmarks)/[\w/.-]*\w)"
    named = set(re.findall(rooms, text)) | set(re.findall(r"`(SECURITY\.md|THIRD_PARTY_NOTICES|LICENSE)`", text))
    assert (linked | named) - shipped - {"benchmarks/NAME.py"} == set()


def test_the_source_distribution_ships_the_toy_plugin_the_kit_and_their_tests(shipped):
    assert {
        "biasloop/contract/testing/__init__.py", "docs/writing-a-domain.md", "tests/toy_plugin/pyproject.toml",
        "tests/toy_plugin/src/biasloop_toy/__init__.py", "tests/support/broken_toys.py", "Makefile",
    } <= shipped  # fmt: skip
    assert not [name for name in shipped if name.endswith((".pyc", ".orig")) or "__pycache__" in name]


# --- what is in the wheel


@pytest.fixture(scope="module")
def contents(wheels) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheels["biasloop"])


def test_the_wheel_holds_what_runs_need(contents):
    names = set(contents.namelist())
    info = f"biasloop-{biasloop.__version__}.dist-info"
    assert {
        "biasloop/py.typed",
        "biasloop/__main__.py",
        "biasloop/datasets/embedded/fashion-mnist-t10k.npz",
        "biasloop/presets/quickstart.toml",
        "biasloop/report/html/report.html.jinja",
        "biasloop/report/html/style.css",
        "biasloop_images/__init__.py",
        f"{info}/licenses/LICENSE",
        f"{info}/licenses/THIRD_PARTY_NOTICES",
    } <= names


def on_disk(folder: str, prefix: str) -> set[str]:
    root = toy.PROJECT / folder
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{prefix}/{path.relative_to(root)}" for path in files}


def test_the_wheel_holds_every_source_preset_and_embedded_file_and_nothing_else(contents):
    project = tomli.loads((toy.PROJECT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    declared = {target.partition(":")[0] for target in project["project"]["entry-points"]["biasloop.domains"].values()}
    assert declared <= {Path(package).name for package in packages}
    expected = on_disk("presets", "biasloop/presets").union(*(on_disk(one, Path(one).name) for one in packages))
    assert {name for name in contents.namelist() if ".dist-info/" not in name} == expected


def test_the_wheel_holds_no_tests_and_no_build_leftovers(contents):
    names = contents.namelist()
    assert not [name for name in names if "test" in name.lower().split("/")[0] or "biasloop_toy" in name]
    assert not [name for name in names if name.endswith((".pyc", ".orig", ".h5")) or "__pycache__" in name]


def test_the_metadata_names_the_script_the_plugin_and_the_licence(contents):
    info = f"biasloop-{biasloop.__version__}.dist-info"
    entry_points = contents.read(f"{info}/entry_points.txt").decode()
    assert "biasloop = biasloop.cli.main:main" in entry_points
    assert "images = biasloop_images:ImagesDomain" in entry_points
    metadata = email.message_from_bytes(contents.read(f"{info}/METADATA"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload().strip()


def test_the_wheel_names_no_machine(contents):
    for name in contents.namelist():
        if name.endswith((".py", ".toml", ".txt", "METADATA")):
            assert str(toy.PROJECT) not in contents.read(name).decode(), name


# --- that it works


def test_the_installed_files_are_the_wheels(installed, place):
    for name in ("biasloop", "biasloop_images", "biasloop_toy"):
        path = checked([str(installed / "python"), "-c", f"import {name}; print({name}.__file__)"], place).strip()
        assert installed.parent in Path(path).parents


def test_it_says_its_version_as_a_script_and_as_a_module(installed, place):
    version = f"biasloop {biasloop.__version__}\n"
    assert checked([str(installed / "biasloop"), "--version"], place) == version
    assert checked([str(installed / "python"), "-m", "biasloop", "--version"], place) == version


def test_it_holds_a_third_partys_plugin_to_the_contract(installed, place):
    code = "from biasloop.contract.testing import check; from biasloop_toy import ToyDomain; print(check(ToyDomain))"
    assert "'labels'" in checked([str(installed / "python"), "-c", code], place)


def test_it_finds_the_presets_in_the_package(installed, place):
    found = {one["name"]: one for one in json.loads(checked([str(installed / "biasloop"), "presets", "--json"], place))}
    assert installed.parent in Path(found["quickstart"]["path"]).parents
    assert Path(found["quickstart"]["path"]).parts[-3:] == ("biasloop", "presets", "quickstart.toml")
    planned = checked([str(installed / "biasloop"), "loop", "-p", "quickstart", "--dry-run", "--json"], place)
    assert json.loads(planned)


def test_it_finds_its_own_plugins_and_a_third_partys(installed, place):
    found = {one["name"]: one for one in json.loads(checked([str(installed / "biasloop"), "plugins", "--json"], place))}
    assert (found["images"]["distribution"], found["toy"]["distribution"]) == ("biasloop", "biasloop-toy")
    assert [one["problem"] for one in found.values()] == [None] * len(found)


def test_it_runs_a_preset_file_of_a_third_partys_plugin(installed, place):
    out = checked([str(installed / "biasloop"), "loop", "-p", "toy.toml", "--json"], place)
    assert json.loads(out.splitlines()[-1]) == {"done": True, "runs": ["runs/toy/seed-0"]}
    assert len(list((place / "runs" / "toy" / "seed-0").glob("round-*.h5"))) == 4
    checked([str(installed / "biasloop"), "runs", "verify", "runs"], place)


ODD = {
    "broken": ("broken-one", "raises_at_import:Domain", "raise RuntimeError('no licence key')\n"),
    "slow": ("slow-one", "takes_long:Slow",
             "import time\ntime.sleep(0.4)\nfrom biasloop_toy import ToyDomain\nclass Slow(ToyDomain):\n    pass\n"),
    "toy": ("second-toy", "also_toy:ToyDomain", "from biasloop_toy import ToyDomain\n"),
}  # fmt: skip


def test_plugins_that_do_not_work_break_no_other_command(installed, place):
    """Beside the installed ones: one that raises, one that takes long, and one whose name is taken."""
    for name, (distribution, target, code) in ODD.items():
        (place / f"{target.partition(':')[0]}.py").write_text(code)
        toy.declare(place, distribution, name, target)
    # Of the program nothing in the working directory is on the path; somebody has put it there.
    script = ["env", f"PYTHONPATH={place}", str(installed / "python"), "-m", "biasloop"]
    found = {
        (one["name"], one["distribution"]): one for one in json.loads(checked([*script, "plugins", "--json"], place))
    }
    assert "RuntimeError: no licence key" in found["broken", "broken-one"]["problem"]
    assert found["slow", "slow-one"]["slow"] is True
    assert found["slow", "slow-one"]["problem"] is None
    for distribution in ("biasloop-toy", "second-toy"):
        assert "biasloop-toy" in found["toy", distribution]["problem"]
        assert "second-toy" in found["toy", distribution]["problem"]
    assert found["images", "biasloop"]["problem"] is None
    checked([*script, "presets"], place)
    checked([*script, "loop", "-p", "quickstart", "--dry-run"], place)
    refused = run([*script, "loop", "-p", "toy.toml"], place)
    assert refused.returncode == 2
    assert "biasloop-toy and second-toy" in refused.stderr or "second-toy and biasloop-toy" in refused.stderr
