"""`docs/as-published.md`: its commands, settings and numbers against the program's own."""

import itertools
import re
import shlex

import pytest
from support import toy

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop_generators.config import Config as Generators
from biasloop_images.config import Config as Images
from biasloop_language.compat import evaluation_batch
from biasloop_language.config import Config as Language
from biasloop_roles.config import Config as Roles

PAGE = (toy.PROJECT / "docs" / "as-published.md").read_text()
COMMANDS = re.findall(r"^    biasloop (loop .*?)(?:  +#.*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_are_valid(command):
    words = shlex.split(command)
    preset = presets.read(words[words.index("--preset") + 1])
    changes = [presets.parse_set(value) for option, value in itertools.pairwise(words) if option == "--set"]
    assert arms_of(preset.override(dict(changes), "--set"))


def test_there_are_commands_and_every_study_has_its_own_words():
    assert len(COMMANDS) == 5
    stems = {re.sub(r"-.*", "", name) for name in presets.files()} - {"quickstart"}
    assert stems >= {"fig3", "fig9", "fig20", "ffl", "bias"}
    spans = [(3, 3), (4, 4), (9, 9), (10, 14), (5, 5), (6, 6), (18, 18), (19, 19), (20, 20)]
    covered = {f"fig{number}" for first, last in spans for number in range(first, last + 1)}
    assert {stem for stem in stems if stem.startswith("fig")} == covered
    for title in (
        "figures 3, 7 and 9 to 14",
        "figures 5, 6 and 18 to 20",
        "figures 4, 8 and 15 to 17",
        "`ffl-*`",
        "`bias-amp-*`",
    ):
        assert f"{title}\n" in PAGE


@pytest.mark.parametrize("setting", sorted(set(re.findall(r"`domain\.(\w+)", PAGE))))
def test_settings_of_the_page_are_there(setting):
    assert any(setting in config.model_fields for config in (Generators, Images, Language, Roles))


def test_numbers_of_the_page_are_those_of_the_program():
    batches = [evaluation_batch(name) for name in ("gpt2", "gpt2-medium", "gpt2-large")]
    assert "each batch of {} test rows, of {} for gpt2-medium and {} for gpt2-large".format(*batches) in PAGE
    decay = validate(presets.read("fig9-left").override({("compat",): "released"}, "--set")).domain.settings
    assert f"{decay['weight_decay'] / decay['batch_size']:.1e}".replace("e-06", "e-6") in PAGE


@pytest.mark.parametrize("config", [Generators, Images, Language])
def test_compat_says_what_cannot_be_had(config):
    assert "Not to be had: " in config.model_fields["compat"].description
