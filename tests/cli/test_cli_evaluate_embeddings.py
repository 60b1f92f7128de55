"""`biasloop evaluate phase|coco|self-similarity|person-preference|geode`: published values, tables, gates, refusals."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.embedded_images import (
    AGES,
    GENDERS,
    PREFERENCE,
    RACES,
    RETRIEVAL,
    SIMILARITY,
    coco_files,
    golden_faces,
    golden_phase,
    stored,
)

from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop.evaluations.geode import prompt
from biasloop.metrics.intervals import newcombe, t_quantile, wilson
from biasloop.metrics.similarity import published


def answer(result, code=0):
    assert result.exit_code == code, result.exception
    return json.loads(result.stdout)


def refused(result, words):
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert not result.stdout


@pytest.mark.parametrize("way", ["fixed", "released"])
def test_phase_gives_the_published_values(cli, workplace, way):
    file, annotations = golden_phase(workplace)
    told = answer(cli("evaluate", "phase", file, "--annotations", annotations, "--compat", way, "--json"))
    for name, result in RETRIEVAL["results"].items():
        attribute, _, group = name.removesuffix("_fixed").partition("/")
        if group == "baby&child" and name.endswith("_fixed") != (way == "fixed"):
            continue
        numbers = told["groups"][attribute if group else ""][group or "all"]
        assert numbers["recall@1"]["n"] == len(result["index"])
        shares = [100 * numbers[f"recall@{k}"]["value"] for k in (1, 5, 10)]
        assert shares == pytest.approx(result["legacy" if way == "released" else "cosine"], abs=1e-3)
    assert (told["n"], told["images"], told["compat"]) == (42, 42, way)
    gap = told["gaps"]["gender"]["gap@1"]
    assert gap["signed"]["of"] == "male - female"
    assert gap["value"] == told["gap@1.gender"] == abs(gap["signed"]["value"])
    assert gap["interval"][0] < gap["value"] < gap["interval"][1]
    assert set(told["groups"]) == {"", "caption", "age", "gender", "skintone", "ethnicity", "emotion", "activity"}


def test_phase_as_a_table_and_as_csv(cli, workplace):
    file, annotations = golden_phase(workplace)
    text = cli("evaluate", "phase", file, "--annotations", annotations, "--csv", "t.csv").stdout
    assert "42 captions of" in text
    assert "images are in no class of age" in text
    assert "no image is of emotion happiness" in text
    rows = list(csv.DictReader(Path("t.csv").read_text().splitlines()))
    male = next(row for row in rows if (row["group"], row["metric"]) == ("male", "recall@5"))
    assert float(male["value"]) == pytest.approx(0.5)
    assert male["n"] == "24"


def test_two_models_are_compared_caption_by_caption(cli, workplace):
    file, annotations = golden_phase(workplace)
    keys = [str(key) for key in RETRIEVAL["image_ids"]]
    random = np.random.default_rng(0).normal(size=(42, 5))
    other = stored(workplace / "other.safetensors", keys, random, keys, RETRIEVAL["text_features"])
    told = answer(cli("evaluate", "phase", file, "--annotations", annotations, "--against", other, "--json"))
    name = "recall@5.gender.male"
    moved = told["difference"][name]["value"]
    expected = [side["groups"]["gender"]["male"]["recall@5"]["value"] for side in (told, told["against"])]
    assert moved == pytest.approx(expected[0] - expected[1])
    assert told["difference"]["gap@5.gender"]["se"] > 0
    same = answer(cli("evaluate", "phase", file, "--annotations", annotations, "--against", file, "--json"))
    assert same["difference"]["recall@1"] == {"value": 0.0, "n": 42, "se": 0.0, "interval": None}
    text = cli("evaluate", "phase", file, "--annotations", annotations, "--against", other).stdout
    assert "paired by caption" in " ".join(text.split())
    assert "gap@5.gender" in text


def test_captions_that_say_a_gender_are_told_apart(cli, workplace):
    file, annotations = golden_phase(workplace)
    regions = json.loads(Path(annotations).read_text())
    for number, image in enumerate(regions.values()):
        image["caption"] = "a Woman with her dog" if number % 3 == 0 else "a womanly mansion"
    Path(annotations).write_text(json.dumps(regions))
    told = answer(cli("evaluate", "phase", file, "--annotations", annotations, "--json"))
    spoken = np.arange(42) % 3 == 0
    hits = np.array(RETRIEVAL["rank_cosine"]) < 5
    numbers = [told["groups"]["caption"][name]["recall@5"] for name in ("gender word", "no gender word")]
    assert [number["n"] for number in numbers] == [14, 28]
    assert numbers[0]["value"] == pytest.approx(hits[spoken].mean())
    men, women = (
        np.isin(np.arange(42), RETRIEVAL["results"][f"gender/{name}"]["index"]) for name in ("male", "female")
    )
    gap = told["gaps_by_caption"]["no gender word"]["gender"]["gap@5"]["signed"]
    assert gap["value"] == pytest.approx(hits[~spoken & men].mean() - hits[~spoken & women].mean())
    assert "captions: gender word" in cli("evaluate", "phase", file, "--annotations", annotations).stdout


def test_intervals_are_those_of_shares_of_gaps_and_of_images(cli, workplace):
    file, annotations = golden_phase(workplace)
    told = answer(cli("evaluate", "phase", file, "--annotations", annotations, "--json"))
    hits = np.array(RETRIEVAL["rank_cosine"]) < 5
    counts = []
    for name in ("male", "female"):
        rows = RETRIEVAL["results"][f"gender/{name}"]["index"]
        counts.append((int(hits[rows].sum()), len(rows)))
        assert told["groups"]["gender"][name]["recall@5"]["interval"] == pytest.approx(wilson(*counts[-1]))
    assert told["gaps"]["gender"]["gap@5"]["signed"]["interval"] == pytest.approx(newcombe(*counts))
    table, texts = coco_files(
        workplace,
        [(n, "val", "Male" if n < 9 else "Female", ["Light"], "Light") for n in range(1, 17)],
        [(n, 100 * n + k) for n in range(1, 17) for k in range(3)],
    )
    rng = np.random.default_rng(0)
    keys = [f"COCO_val2014_{n:012d}.jpg" for n in range(1, 17)]
    captions = [str(100 * n + k) for n in range(1, 17) for k in range(3)]
    images = rng.normal(size=(16, 4))
    near = np.repeat(images, 3, axis=0) + rng.normal(size=(48, 4))
    coco = stored(workplace / "coco.safetensors", keys, images, captions, near)
    told = answer(cli("evaluate", "coco", coco, "--images", str(table), "--annotations", str(texts), "--json"))
    for number, units in (
        (told["groups"][""]["all"]["recall@1"], 16),
        (told["groups"]["gender"]["Male"]["recall@1"], 8),
        (told["gaps"]["gender"]["gap@1"], 16),
    ):
        half = t_quantile(units) * number["se"]
        assert number["interval"] == pytest.approx([number["value"] - half, number["value"] + half])


def test_a_gate_on_a_gap(cli, workplace):
    file, annotations = golden_phase(workplace)
    arguments = ("evaluate", "phase", file, "--annotations", annotations, "--fail-above")
    assert cli(*arguments, "gap@1.gender=0.05").exit_code == 4
    assert cli(*arguments, "gap@1.gender=0.5").exit_code == 0
    refused(cli(*arguments, "gap=1"), "gap@1.age")


COCO = [
    (9, "val", "Male", ["Light"], "Light"),
    (5, "val", "Female", ["Dark"], "Dark"),
    (7, "train", "Male", [], "Dark"),
]


def coco_embeddings(folder):
    keys = [f"COCO_val2014_{number:012d}.jpg" for number in (5, 7, 9)]
    texts = [[1, 0.1, 0], [0.1, 1, 0.5], [0.2, 1, 0]]
    return stored(folder / "coco.safetensors", keys, np.eye(3), ["50", "51", "90"], texts)


def test_coco_is_fetched_then_measured_with_images_as_clusters(cli, workplace):
    table, texts = coco_files(workplace, COCO, [(9, 90), (5, 50), (7, 70), (5, 51)])
    file = coco_embeddings(workplace)
    result = cli("evaluate", "coco", file)
    assert isinstance(result.exception, SomethingToFetch)
    assert "--images images_val2014.csv --annotations captions_val2014.json" in str(result.exception)
    assert (
        "2 images and 3 captions"
        in cli("fetch", "coco-bias", "--images", str(table), "--annotations", str(texts)).stdout
    )
    told = answer(cli("evaluate", "coco", file, "--json"))
    direct = answer(cli("evaluate", "coco", file, "--images", str(table), "--annotations", str(texts), "--json"))
    assert {**told, "left": None} == {**direct, "left": None}
    assert told["groups"]["gender"]["Female"]["recall@1"]["value"] == 0.5
    assert told["groups"]["gender"]["Female"]["recall@1"]["se"] is None  # captions of one image
    assert told["groups"]["skin"]["Light"]["recall@1"]["n"] == 1
    assert (told["n"], told["images"]) == (3, 2)
    assert any("1 embeddings of images without annotations" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fetch", "coco-bias", "--images", "a.csv"), "--images and --annotations go together"),
        (("fetch", "imsitu", "--images", "a.csv", "--annotations", "b.json"), "biasloop fetch coco-bias --images"),
        (("evaluate", "coco", "e.safetensors", "--images", "a.csv"), "--images and --annotations go together"),
        (
            ("evaluate", "phase", "e.safetensors", "--annotations", "a", "--compat", "x"),
            'expected "fixed" or "released"',
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(cli, arguments, words):
    refused(cli(*arguments), words)


def test_self_similarity_gives_the_published_values(cli, workplace):
    file, labels = golden_faces(workplace)
    told = answer(cli("evaluate", "self-similarity", file, "--annotations", labels, "--resample", "100", "--json"))
    for attribute, names in {"gender": GENDERS, "race": RACES, "age": AGES}.items():
        groups, golden = told["groups"][attribute], SIMILARITY[attribute]
        for name, key in {
            "self_similarity": "expect_with_replacement",
            "different_images": "mean_pairwise_without_replacement",
        }.items():
            assert [groups[group][name]["value"] for group in names] == pytest.approx(golden[key], abs=1e-6)
        percents = [groups[group]["percent"]["value"] for group in names]
        assert percents == pytest.approx(golden["expect_norm_pct"], abs=1e-4)
        errors = [10 * groups[group]["resampled"]["se"] for group in names]
        assert errors == pytest.approx(golden["sd_of_one_resample"], abs=1e-6)
    state = np.random.RandomState(0)
    women = [row for row, code in zip(SIMILARITY["features"], SIMILARITY["cell_codes_race_gender_age"], strict=True)
             if code[1] == 0]  # fmt: skip
    first = told["groups"]["gender"]["Female"]["resampled"]["value"]
    assert first == pytest.approx(published(np.array(women), state, draws=100), abs=1e-7)
    cell = told["groups"]["race x age"]["White 10-19"]["self_similarity"]
    assert cell["value"] == pytest.approx(SIMILARITY["race_age_expect"]["3_2"], abs=1e-6)
    assert cell["n"] == 2
    assert len(told["groups"]["race x gender x age"]) == 126


def test_self_similarity_as_a_table(cli, workplace):
    file, labels = golden_faces(workplace)
    text = cli("evaluate", "self-similarity", file, "--annotations", labels).stdout
    assert "the 20 most and the 20 least similar" in text
    assert "Southeast Asian" in text


def test_person_preference_gives_the_published_values(cli, workplace):
    file, labels = golden_faces(workplace)
    arguments = ("evaluate", "person-preference", file, "--annotations", labels, "--csv", "faces.csv")
    told = answer(cli(*arguments, "--resample", "20000", "--json"))
    for attribute, names in {"gender": GENDERS, "race": RACES, "age": AGES}.items():
        groups = told["groups"][attribute]
        assert [groups[name]["value"] for name in names] == pytest.approx(PREFERENCE[f"{attribute}_pct"], abs=1e-9)
        for name in names:
            resampled = groups[name]["resampled"]
            assert abs(resampled["value"] - groups[name]["value"]) <= 5 * resampled["se"] + 1e-12
    cell = told["gender x age"]["Male 3-9"]
    expected = PREFERENCE["gender_age_pct_race_gender_age"]["1_1"]
    assert [cell[name]["value"] for name in ("race", "gender", "age")] == pytest.approx(expected, abs=1e-9)
    pair = told["pair"]["0-2"]["race"]
    difference = pair["White Male"]["value"] - pair["Black Female"]["value"]
    assert pair["difference"]["value"] == pytest.approx(difference)
    counts = [(round(pair[name]["value"]), 1) for name in ("White Male", "Black Female")]
    assert pair["difference"]["interval"] == pytest.approx(newcombe(*counts))
    assert pair["White Male"]["resample_sd"] is None  # one image, and 22 are drawn
    rows = list(csv.DictReader(Path("faces.csv").read_text().splitlines()))
    assert [[int(row[f"prefers_person_{name}"]) for name in ("race", "gender", "age")] for row in rows] == (
        PREFERENCE["preference_race_gender_age"]
    )
    assert rows[0]["image"] == "train/1.jpg"
    assert "White Male" in cli(*arguments[:-2]).stdout


def test_prompts_that_are_not_there_are_told(cli, workplace):
    file, annotations = golden_phase(workplace)
    _, labels = golden_faces(workplace)
    refused(cli("evaluate", "person-preference", file, "--annotations", labels), "126 of 126 images")
    refused(cli("evaluate", "self-similarity", file, "--annotations", annotations), "no column 'file'")


def test_geode_by_region(cli, workplace):
    names = ["dog", "hand_soap"]
    images = [[1, 0, 0.2], [0.2, 1, 0], [1, 0, 0], [1, 0.1, 0]]
    file = stored(
        workplace / "g.safetensors", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"], images, map(prompt, names), np.eye(2, 3)
    )
    Path("index.csv").write_text(
        "file_path,object,region\na.jpg,dog,Africa\nb.jpg,hand_soap,Africa\nc.jpg,dog,Asia\nd.jpg,hand_soap,Asia\n"
    )
    told = answer(cli("evaluate", "geode", file, "--annotations", "index.csv", "--json"))
    assert told["accuracy"] == 0.75
    assert {name: of["accuracy"]["value"] for name, of in told["groups"]["region"].items()} == {
        "Africa": 1,
        "Asia": 0.5,
    }
    assert (told["gap.region"], told["gap"]["largest"]) == (0.5, "Africa")
    assert told["gap"]["interval"] == pytest.approx(newcombe((2, 2), (1, 2)))
    assert "Africa - Asia: +50" in cli("evaluate", "geode", file, "--annotations", "index.csv").stdout
    assert [prompt(name) for name in ("hand_soap", "Oven")] == ["a photo of a hand soap", "a photo of an oven"]


def test_an_image_without_an_embedding_is_told(cli, workplace):
    file, _ = golden_phase(workplace)
    Path("r.json").write_text('{"1": {"caption": "a"}}')
    refused(cli("evaluate", "phase", file, "--annotations", "r.json"), "1 of 1 images of r.json are not in")


def test_released_scores_need_lengths(cli, workplace):
    from safetensors.numpy import load_file, save_file

    file, annotations = golden_phase(workplace)
    tensors = {name: array for name, array in load_file(file).items() if name != "norms"}
    keys = [str(key) for key in RETRIEVAL["image_ids"]]
    save_file(tensors, file, {"embeddings": json.dumps({"keys": keys, "text_keys": keys})})
    result = cli("evaluate", "phase", file, "--annotations", annotations, "--compat", "released")
    refused(result, "does not have the lengths")
