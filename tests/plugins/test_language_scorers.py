import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.language import PUBLISHED, VOCABULARY, save, tiny_detoxify

from biasloop.errors import DownloadError, InvalidInput, SomethingToFetch
from biasloop_language import scorers
from biasloop_language.scorers import detoxify, lexicon, toxicity_bilstm
from biasloop_language.scorers.batches import by_length

NOWHERE = Path("no-such-directory")
TOXIC, FRIENDLY = (
    "I will kill you, you fucking idiot!",
    "Good morning my friend, I hope you're having a fantastic day!",
)


def bilstm(**options):
    return scorers.build("toxicity-bilstm", options, NOWHERE)


def table(scorer, texts, tick=None):
    found = scorer.score(texts, tick)
    assert tuple(found) == scorer.columns()
    assert all(values.dtype == np.float64 and values.shape == (len(texts),) for values in found.values())
    return np.stack(list(found.values()), axis=1)


# --- the registry


def test_building_loads_nothing_heavy():
    code = (
        "import sys; from pathlib import Path; from biasloop_language import scorers\n"
        "for name, options in {'quotes': {}, 'lexicon': {'lists': {'a': ['b']}}, 'toxicity-bilstm': {}}.items():\n"
        "    assert scorers.build(name, options, Path('x')).columns()\n"
        "import biasloop_language.scorers.detoxify\n"
        "print([name for name in ('torch', 'transformers', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_scorers_are_scorers():
    built = [bilstm(), scorers.build("quotes", {}, NOWHERE), scorers.build("lexicon", {"lists": {"a": ["b"]}}, NOWHERE)]
    for scorer in built:
        assert isinstance(scorer, scorers.Scorer)
        assert table(scorer, []).shape == (0, len(scorer.columns()))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("detoxfy", {}, "no scorer is called 'detoxfy' .*did you mean 'detoxify'"),
        ("quotes", {"mark": '"'}, "scorer 'quotes': option 'mark': .*its options: none"),
        ("toxicity-bilstm", {"rescale": "yes"}, "option 'rescale': .*boolean"),
        ("lexicon", {}, "option 'lists': .*required"),
        ("lexicon", {"lists": {"men": "he"}}, r"option 'lists\.men'"),
        ("lexicon", {"lists": {"men": []}}, "list 'men' is empty"),
        ("lexicon", {"lists": {"men": ["he", "the king"]}}, "list 'men': 'the king' is not one word"),
        ("lexicon", {"lists": {"men": ["step-son"]}}, "'step-son' is not one word"),
        ("lexicon", {"lists": {"men": [" "]}}, "' ' is not one word"),
    ],
)
def test_refusals(name, options, message):
    with pytest.raises(InvalidInput, match=message):
        scorers.build(name, options, NOWHERE)


def test_batches_take_every_text_once_longest_first():
    lengths = np.random.default_rng(0).integers(0, 9, 50)
    batches = list(by_length(lengths, 16))
    assert [len(batch) for batch in batches] == [16, 16, 16, 2]
    order = np.concatenate(batches)
    assert sorted(order) == list(range(50))
    assert np.all(np.diff(lengths[order]) <= 0)


# --- toxicity-bilstm

CHECKED = {
    False: {
        TOXIC: (0.999726, 0.510538, 0.986128, 0.779606, 0.974806, 0.154237),
        FRIENDLY: (0.055492, 0.000418, 0.004803, 0.008845, 0.007848, 0.001973),
        "": (0.019499, 0.000224, 0.003773, 0.000649, 0.004168, 0.001930),
    },
    True: {
        TOXIC: (0.9999, 0.7870, 0.9886, 0.8484, 0.9883, 0.1711),
        FRIENDLY: (0.0535, 0.0006, 0.0045, 0.0096, 0.0076, 0.0021),
    },
}


@pytest.mark.parametrize("rescale", [False, True])
def test_values_of_the_published_classifier(rescale):
    checked = CHECKED[rescale]
    found = table(bilstm(rescale=rescale), list(checked))
    assert found == pytest.approx(np.array(list(checked.values())), abs=1e-4)
    assert bilstm().columns() == ("toxicity", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def plainly(text):
    """The recipe that comes with the weights, word by word over all 100 places, in double precision."""
    with np.load(toxicity_bilstm.FILE, allow_pickle=False) as file:
        weights = dict(file)
    ids = {word: i for i, word in enumerate(weights["words"].tobytes().decode().split("\n"))}
    text = text.lower()
    for character in '!"#$%&()*+,-./:;<=>?@[\\]^_{|}~`\t\n':
        text = text.replace(character, " ")
    row = [ids[word] for word in text.split(" ") if word and word in ids][-100:]
    inputs = weights["embedding"].astype(float)[[0] * (100 - len(row)) + row]
    tops = []
    for way, order in (("forward", inputs), ("backward", inputs[::-1])):
        hidden, cell, outputs = np.zeros(50), np.zeros(50), []
        for x in order:
            sums = x @ weights[f"{way}_lstm.kernel"] + hidden @ weights[f"{way}_lstm.recurrent_kernel"]
            enter, forget, candidate, leave = np.split(sums + weights[f"{way}_lstm.bias"], 4)
            enter, forget, leave = (np.clip(0.2 * gate + 0.5, 0, 1) for gate in (enter, forget, leave))
            cell = forget * cell + enter * np.tanh(candidate)
            hidden = leave * np.tanh(cell)
            outputs.append(hidden)
        tops.append(np.max(outputs, axis=0))
    hidden = np.maximum(np.concatenate(tops) @ weights["dense.kernel"] + weights["dense.bias"], 0)
    return 1 / (1 + np.exp(-(hidden @ weights["dense_1.kernel"] + weights["dense_1.bias"])))


def test_every_length_and_spelling_against_the_plain_recipe():
    words = list(bilstm()._network._ids)
    draws = np.random.default_rng(0)
    texts = [" ".join(draws.choice(words[:800], n)) for n in (1, 2, 7, 40, 99, 100, 101, 150)]
    texts += ["You...IDIOT\n(yes,\tYOU)!", "zzqx unheard-of", "don\u2019t\xa0 go", "ÄRGER İ   \r\n", TOXIC, ""]
    expected = np.array([plainly(text) for text in texts])
    assert table(bilstm(rescale=False), texts) == pytest.approx(expected, abs=2e-5)


def test_a_text_scores_the_same_in_any_company(monkeypatch):
    monkeypatch.setattr(toxicity_bilstm, "_BATCH", 4)
    texts = [TOXIC, "", FRIENDLY, "you", "a b c d e f g", TOXIC * 20, "what a day"]
    alone = np.concatenate([table(bilstm(), [text]) for text in texts])
    told = []
    together = table(bilstm(), texts, lambda done, total: told.append((done, total)))
    assert together == pytest.approx(alone, abs=1e-6)
    assert told == [(4, 7), (7, 7)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is not there; reinstall"), (b"junk", "is damaged: .*reinstall"), (b"", "is damaged: .*reinstall")],
)
def test_weights_that_are_gone_or_damaged(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(toxicity_bilstm, "FILE", tmp_path / "weights.npz")
    if content is not None:
        toxicity_bilstm.FILE.write_bytes(content)
    with pytest.raises(DownloadError, match=message):
        bilstm().score(["a"])


# --- detoxify


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A data directory with a random BERT in the published layout, and that model itself."""
    data = tmp_path_factory.mktemp("data")
    return data, tiny_detoxify(data)


@pytest.fixture
def changed(tiny, tmp_path):
    """A copy of the data directory that a test may change; the folder of the model, and the model."""
    shutil.copytree(tiny[0], tmp_path / "data")
    return tmp_path / "data" / detoxify.DIRECTORY, tiny[1]


def one_by_one(model, texts):
    """No batch, no padding: the ids are made by hand from a vocabulary whose words are whole."""
    import torch

    rows = []
    for text in texts:
        ids = [VOCABULARY.index(word) if word in VOCABULARY else 1 for word in text.lower().split()]
        with torch.no_grad():
            rows.append(torch.sigmoid(model(torch.tensor([[2, *ids[:510], 3]])).logits)[0].numpy())
    return np.array(rows)


def sentences(count):
    draws = np.random.default_rng(0)
    words = [word for word in VOCABULARY if word.isalpha()]
    return [" ".join(draws.choice(words, draws.integers(0, 30))) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 65, 129])
def test_detoxify_against_one_text_at_a_time(tiny, count):
    data, model = tiny
    told, texts = [], sentences(count)
    found = table(scorers.build("detoxify", {}, data), texts, lambda done, total: told.append((done, total)))
    expected = one_by_one(model, texts)
    assert found == pytest.approx(expected, abs=1e-5)
    assert count < 65 or expected.std(axis=0).min() > 0.01  # else the order of rows would not be tested
    assert told == [(min(done, count), count) for done in range(64, count + 64, 64)]


def test_detoxify_cuts_at_512_tokens_and_takes_empty_texts(tiny):
    data, model = tiny
    texts = ["", "you are " * 400 + "awful", "You ARE unheard !", "nice"]
    found = table(scorers.build("detoxify", {}, data), texts)
    assert found == pytest.approx(one_by_one(model, texts), abs=1e-5)


def test_detoxify_no_texts_and_names(tiny):
    scorer = scorers.build("detoxify", {}, tiny[0])
    assert isinstance(scorer, scorers.Scorer)
    assert table(scorer, []).shape == (0, 6)
    assert scorer.columns() == ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")


def test_detoxify_finds_its_labels_by_name(changed):
    place, model = changed
    save(place, model.state_dict(), classes=PUBLISHED[::-1])
    found = table(scorers.build("detoxify", {}, place.parent), ["you are nice"])
    assert found == pytest.approx(one_by_one(model, ["you are nice"])[:, ::-1], abs=1e-5)


def test_detoxify_takes_weights_that_hold_positions(changed):
    import torch

    place, model = changed
    save(place, {**model.state_dict(), "bert.embeddings.position_ids": torch.arange(512)[None]})
    assert table(scorers.build("detoxify", {}, place.parent), ["you"]) == pytest.approx(
        one_by_one(model, ["you"]), abs=1e-5
    )


@pytest.mark.parametrize(
    ("gone", "needs"),
    [
        (detoxify.CHECKPOINT, r"toxic_original-c1212f89\.ckpt"),
        ("config.json", r"config\.json"),
        ("vocab.txt", r"tokenizer\.json or vocab\.txt"),
    ],
)
def test_detoxify_says_what_to_fetch(changed, gone, needs):
    (changed[0] / gone).unlink()
    with pytest.raises(SomethingToFetch, match=f"needs {needs} in .*detoxify-original; `biasloop fetch detoxify-orig"):
        scorers.build("detoxify", {}, changed[0].parent).check()


def broken_checkpoints():
    import torch

    yield "junk", lambda place, model: (place / detoxify.CHECKPOINT).write_bytes(b"junk" * 50), "does not read"
    yield "empty", lambda place, model: (place / detoxify.CHECKPOINT).write_bytes(b""), "does not read"
    yield "code", lambda place, model: save(place, model.state_dict(), extra=Path("x")), "does not read"
    yield "bare", lambda place, model: torch.save(model.state_dict(), place / detoxify.CHECKPOINT), "no 'config'"
    yield "labels", lambda place, model: save(place, model.state_dict(), classes=["a", "b"]), "its labels are a, b"
    yield "lacking", lambda place, model: save(place, dict(list(model.state_dict().items())[1:])), "does not load"
    yield "config", lambda place, model: (place / "config.json").write_text("{"), "does not load"
    yield "words", lambda place, model: (place / "vocab.txt").write_text("\n".join(VOCABULARY[:9])), "has 9 entries"


def test_detoxify_says_what_is_damaged(changed, tiny):
    place, model = changed
    for name, spoil, reason in broken_checkpoints():
        shutil.copytree(tiny[0] / detoxify.DIRECTORY, place, dirs_exist_ok=True)
        spoil(place, model)
        with pytest.raises(DownloadError, match=f"is damaged: .*{reason}.*`biasloop fetch detoxify-original` gets"):
            scorers.build("detoxify", {}, place.parent).score([name])


# --- word lists and quotation marks


def counts(text, *entries):
    scorer = scorers.build("lexicon", {"lists": {"one": list(entries)}}, NOWHERE)
    return table(scorer, [text])[0, 0]


@pytest.mark.parametrize(
    ("text", "entry", "count"),
    [
        ("He said he is HE.", "he", 3),
        ("the she them_he_ he-man (he) 'he' he2 hé", "he", 4),
        ("he's here and he\u2019ll stay; HE'D go", "he", 3),
        ("women's rights, woman's, womens", "women", 1),
        ("the boys' ball", "boys", 1),
        ("don't, don\u2019t, do not", "don't", 2),
        ("don't", "do", 0),
        ("o'clock", "clock", 0),
        ("he's", "he's", 1),
        ("cafe\u0301 CAFÉ cafe", "café", 2),
        ("STRASSE Straße", "straße", 2),
        ("", "he", 0),
    ],
)
def test_what_counts_as_a_word(text, entry, count):
    assert counts(text, entry) == count


def test_lists_are_counted_apart():
    lists = {"men": ["he", "Him", "he"], "all": ["he", "she", "she's"]}
    told = []
    scorer = scorers.build("lexicon", {"lists": lists}, NOWHERE)
    found = table(scorer, ["He saw him", "she's she", "they"], lambda done, total: told.append((done, total)))
    assert scorer.columns() == ("count.men", "count.all")
    assert found.tolist() == [[2, 1], [0, 2], [0, 0]]
    assert told == [(3, 3)]


def test_a_ratio_of_lists():
    scorer = scorers.build("lexicon", {"lists": {"women": ["she"], "men": ["he"]}}, NOWHERE)
    found = scorer.score(["she she he", "he", "it", "he he"])
    share = lexicon.ratio(found["count.women"], found["count.men"])
    assert (share.value, share.n) == (2 / 6, 6)
    # Residuals a - R t of the texts: 2 - 3 / 3, - 1 / 3, 0, - 2 / 3.
    assert share.error == pytest.approx(np.sqrt(1 + 1 / 9 + 4 / 9) / 6)


def test_only_right_double_quotation_marks_are_counted():
    texts = ["\u201cyes\u201d, he said, \u201cno\u201d", '"no"', "\u201c\u2019\u201e\u00bb", ""]
    assert table(scorers.build("quotes", {}, NOWHERE), texts)[:, 0].tolist() == [2, 0, 0, 0]
