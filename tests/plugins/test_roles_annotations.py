"""Annotations in imSitu's format: what is read of them, and what is refused by file and image."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import imsitu

from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop_roles.annotations import files_in, read
from biasloop_roles.collapsing import collapsed
from biasloop_roles.situations import PADDING, Vocabulary

STREAMS = Streams((5, "data"))


def entry(verb="cooking", *frames):
    return {"verb": verb, "frames": list(frames) or [{"agent": "man", "food": "egg"}] * 3}


def put(folder, **files):
    """Files in the order in which they are given."""
    paths = []
    for name, content in files.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(content if isinstance(content, str) else json.dumps(content))
    return paths


def written(annotations):
    """Back to records, in the simplest way."""
    known = annotations.vocabulary
    records = {}
    for row, name in enumerate(annotations.names):
        pairs = [pair for pair in known.verb_pairs[annotations.verb[row]].tolist() if pair != PADDING]
        roles = [known.roles[known.pair_role[pair]] for pair in pairs]
        frames = [
            {role: known.nouns[frame[column]] for column, role in enumerate(roles)} for frame in annotations.frames[row]
        ]
        records[name] = {"verb": known.verbs[annotations.verb[row]], "frames": frames}
    return records


def test_what_is_read_is_what_was_written(tmp_path):
    made = imsitu.write(tmp_path)
    annotations = read(files_in(tmp_path))
    assert list(written(annotations).items()) == list(made.items())
    assert annotations.frames.shape == (24, 3, 6)
    assert annotations.frames.dtype == annotations.verb.dtype == np.int64
    known = annotations.vocabulary
    expected = Vocabulary.of((record["verb"], record["frames"]) for record in made.values())
    assert (known.verbs, known.roles, known.nouns) == (expected.verbs, expected.roles, expected.nouns)
    flat = annotations.frames.reshape(-1, 6)
    assert (known.slots(annotations.verb.repeat(3), flat) != PADDING).tolist() == (flat != PADDING).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_vocabulary_is_that_of_the_records_in_any_order_of_roles(tmp_path, seed):
    draws = np.random.default_rng(seed)
    verbs = {f"verb{number}": draws.permutation(list("abcdefgh"))[: number + 1].tolist() for number in range(6)}
    made = {}
    for number in range(60):
        verb = f"verb{draws.integers(6)}"
        orders = [draws.permutation(verbs[verb]).tolist() for _ in range(3)]
        made[f"{number}.jpg"] = entry(verb, *[{role: f"n{draws.integers(9)}" for role in order} for order in orders])
    annotations = read(put(tmp_path, a=made))
    expected = Vocabulary.of((record["verb"], record["frames"]) for record in made.values())
    for name in ("verbs", "roles", "nouns", "pair_verb", "pair_role", "slot_pair", "slot_noun"):
        assert list(getattr(annotations.vocabulary, name)) == list(getattr(expected, name))
    assert written(annotations) == made


def test_files_are_merged_in_the_published_order_then_by_name(tmp_path):
    for name in ("zoo", "test", "extra", "train", "imsitu_space", "dev", ".hidden"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert [file.stem for file in files_in(tmp_path)] == ["train", "dev", "test", "extra", "zoo"]


def test_roles_of_a_frame_may_come_in_any_order(tmp_path):
    frames = {"agent": "man", "food": "egg"}, {"food": "", "agent": "man"}, {"food": "egg", "agent": ""}
    (file,) = put(tmp_path, a={"x_1.jpg": entry("x", *frames)})
    annotations = read([file])
    names = [[annotations.vocabulary.nouns[noun] for noun in frame[:2]] for frame in annotations.frames[0]]
    assert names == [["man", "egg"], ["man", ""], ["", "egg"]]


def test_unknown_keys_are_ignored(tmp_path):
    more = {"bb": {"agent": [1, 2, 3, 4]}, "height": 512, "width": None}
    plain, boxed = put(tmp_path, plain={"x_1.jpg": entry()}, boxed={"x_1.jpg": {**more, **entry()}})
    assert read([plain]).digest == read([boxed]).digest


def test_another_label_or_name_has_another_digest(tmp_path):
    files = put(
        tmp_path,
        a={"x_1.jpg": entry("x", *[{"agent": "m"}] * 2, {"agent": "w"})},
        b={"x_1.jpg": entry("x", {"agent": "m"}, {"agent": "w"}, {"agent": "m"})},
        c={"x_2.jpg": entry("x", *[{"agent": "m"}] * 2, {"agent": "w"})},
    )
    assert len({read([file]).digest for file in files}) == 3


def test_another_number_of_frames_can_be_asked_for(tmp_path):
    (file,) = put(tmp_path, a={"x_1.jpg": entry("x", {"agent": "man"})})
    assert read([file], frames=1).frames.shape == (1, 1, 6)


def test_white_space_is_a_noun_of_its_own(tmp_path):
    (file,) = put(tmp_path, a={"x_1.jpg": entry("x", {"agent": ""}, {"agent": " "}, {"agent": ""})})
    assert read([file]).vocabulary.nouns == ("", " ")


GOOD = {"cooking_1.jpg": entry()}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"a": ', r"b\.json is no JSON \(.*\); expected annotations in imSitu's format"),
        ("[" * 100_000, r"b\.json is no JSON"),
        ("[]", r"b\.json is no JSON object; expected one with an entry for each image"),
        ('{"a.jpg": 1, "a.jpg": 2}', r"b\.json has the key 'a\.jpg' twice in one object"),
        ({"a.jpg": 7}, r"b\.json, 'a\.jpg', has no verb"),
        ({"a.jpg": {"frames": []}}, r"b\.json, 'a\.jpg', has no verb; expected an object with a text 'verb'"),
        ({"a.jpg": entry("")}, r"b\.json, 'a\.jpg', has no verb"),
        ({"a.jpg": {"verb": "cooking"}}, r"b\.json, 'a\.jpg', has no frames; expected 3"),
        ({"a.jpg": {"verb": "cooking", "frames": {}}}, r"b\.json, 'a\.jpg', has no frames"),
        ({"a.jpg": entry("cooking", {"agent": "m", "food": "e"})}, r"'a\.jpg', has 1 frames, expected 3"),
        ({"a.jpg": entry("cooking", "m", "m", "m")}, r"'a\.jpg', has a frame that is no object"),
        ({"a.jpg": entry("new", {}, {}, {})}, r"b\.json, 'a\.jpg': the verb 'new' has no roles; expected 1 to 6"),
        ({"a.jpg": entry("new", *[dict.fromkeys("abcdefg", "")] * 3)}, r"the verb 'new' has 7 roles"),
        (
            {"a.jpg": entry("cooking", *[{"agent": "m", "place": "p"}] * 3)},
            r"b\.json, 'a\.jpg' has a frame with the roles agent, place, and those of 'cooking' are agent, food",
        ),
        ({"a.jpg": entry("cooking", *[{"agent": "m", "food": 3}] * 3)}, r"'a\.jpg', has 3 as food, expected a noun"),
        ({"a.jpg": entry("cooking", *[{"agent": None, "food": ""}] * 3)}, r"'a\.jpg', has null as agent, expected"),
        ({"cooking_1.jpg": entry()}, r"b\.json, 'cooking_1\.jpg', is in .*a\.json too; an image is annotated once"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_image(tmp_path, bad, message):
    with pytest.raises(InvalidInput, match=message) as error:
        read(put(tmp_path, a=GOOD, b=bad))
    assert "\n" not in str(error.value)


def test_what_a_given_vocabulary_does_not_know_is_refused(tmp_path):
    first, same, noun, slot, verb, roles = put(
        tmp_path,
        first={**GOOD, "x_1.jpg": entry("x", *[{"agent": "cat"}] * 3)},
        same={"new.jpg": entry("x", *[{"agent": "cat"}] * 3)},
        noun={"new.jpg": entry("x", *[{"agent": "cat"}] * 2, {"agent": "dog"})},
        slot={"new.jpg": entry("x", *[{"agent": "man"}] * 3)},
        verb={"new.jpg": entry("y", *[{"agent": "cat"}] * 3)},
        roles={"new.jpg": entry("x", *[{"food": "cat"}] * 3)},
    )
    known = read([first]).vocabulary
    again = read([same], vocabulary=known)
    assert again.vocabulary is known
    assert again.verb.tolist() == [1]
    assert again.frames[0, :, 0].tolist() == [known.nouns.index("cat")] * 3
    for file, message in (
        (noun, r"noun\.json, 'new\.jpg', has 'dog' as agent, which is outside the vocabulary: no agent of 'x' is"),
        (slot, r"slot\.json, 'new\.jpg', has 'man' as agent, which is outside the vocabulary"),
        (verb, r"verb\.json, 'new\.jpg': the verb 'y' is none of the 2 known ones"),
        (roles, r"roles\.json, 'new\.jpg' has a frame with the roles food, and those of 'x' are agent"),
    ):
        with pytest.raises(InvalidInput, match=message):
            read([file], vocabulary=known)


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="has no annotations; put files in imSitu's format"):
        files_in(tmp_path)
    with pytest.raises(InvalidInput, match="there is no folder"):
        files_in(tmp_path / "missing")
    (empty,) = put(tmp_path, a={})
    with pytest.raises(InvalidInput, match=r"a\.json has no image"):
        read([empty])


# --- one frame of three


def of(tmp_path, *images):
    """Annotations of one verb; an image gives of each role its nouns in three frames."""
    records = {}
    for number, roles in enumerate(images):
        records[f"x_{number}.jpg"] = entry(
            "x", *[{role: nouns[frame] for role, nouns in roles.items()} for frame in range(3)]
        )
    (file,) = put(tmp_path, a=records)
    return read([file])


def one_frame(annotations, ids=None, streams=STREAMS):
    ids = np.arange(len(annotations)) if ids is None else ids
    nouns = collapsed(annotations.frames[ids], annotations.vocabulary, ids, streams)
    assert nouns.shape == (len(ids), 6)
    return [[annotations.vocabulary.nouns[noun] for noun in row if noun != PADDING] for row in nouns]


def test_as_the_published_code_collapses(tmp_path):
    golden = {"a": ("n1", "n2", "n1"), "b": ("", "n3", ""), "c": ("", "", " ")}
    assert one_frame(of(tmp_path, golden)) == [["n1", "n3", ""]]


@pytest.mark.parametrize(
    ("nouns", "expected"),
    [
        (("x", "y", "y"), {"y"}), (("y", "x", "y"), {"y"}), (("x", "x", "x"), {"x"}), (("", "x", "x"), {"x"}),
        (("", "x", "y"), {"x", "y"}), (("x", "y", "z"), {"x", "y", "z"}), ((" ", "", "x"), {"x"}),
        (("", "", ""), {""}), ((" ", "", ""), {""}), ((" ", " ", "\t"), {" "}), ((" ", " ", "x"), {"x"}),
    ],
)  # fmt: skip
def test_what_most_say_else_what_one_says(tmp_path, nouns, expected):
    annotations = of(tmp_path, *[{"a": nouns}] * 60)
    assert {row[0] for row in one_frame(annotations)} == expected


def test_a_draw_is_uniform_and_a_function_of_the_id(tmp_path):
    annotations = of(tmp_path, *[{"a": ("x", "y", "z"), "b": ("x", "y", ""), "c": ("z", "z", "x")}] * 3000)
    rows = one_frame(annotations)
    for column, nouns in enumerate(("xyz", "xy", "z")):
        shares = [sum(row[column] == noun for row in rows) / 3000 for noun in nouns]
        assert np.allclose(shares, 1 / len(nouns), atol=0.03)
    assert len({tuple(row) for row in rows}) == 6  # roles are drawn apart
    some = np.array([2999, 5, 17])
    assert one_frame(annotations, some) == [rows[row] for row in some]
    assert one_frame(annotations, streams=STREAMS.at("other")) != rows
    assert collapsed(annotations.frames[:0], annotations.vocabulary, some[:0], STREAMS).shape == (0, 6)


def test_collapsed_labels_are_situations_of_the_vocabulary(tmp_path):
    """Also of images whose only blank nouns are white space."""
    annotations = of(tmp_path, {"a": (" ", " ", " "), "b": ("x", "y", "z")})
    nouns = collapsed(annotations.frames, annotations.vocabulary, np.arange(1), STREAMS)
    assert (annotations.vocabulary.slots(annotations.verb, nouns)[:, :2] >= 0).all()
    assert replace(annotations, frames=nouns[:, None]).frames.shape == (1, 1, 6)
