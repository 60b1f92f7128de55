import numpy as np
import pytest

from biasloop.errors import InvalidInput
from biasloop_roles.situations import PADDING, Vocabulary

RECORDS = [
    ("cooking", [{"agent": "man", "food": "egg"}, {"agent": "woman", "food": ""}]),
    ("raining", [{"place": "street"}]),
    ("cooking", [{"food": "egg", "agent": "girl"}]),
    ("riding", [{"agent": "man", "vehicle": "bike", "place": "street"}]),
]


def test_ids_go_by_first_appearance():
    vocabulary = Vocabulary.of(RECORDS)
    assert vocabulary.verbs == ("cooking", "raining", "riding")
    assert vocabulary.roles == ("agent", "food", "place", "vehicle")
    assert vocabulary.nouns == ("man", "egg", "woman", "", "street", "girl", "bike")
    assert vocabulary.pair_verb.tolist() == [0, 0, 1, 2, 2, 2]
    assert vocabulary.pair_role.tolist() == [0, 1, 2, 0, 3, 2]
    nouns = [vocabulary.nouns[noun] for noun in vocabulary.slot_noun]
    assert nouns == ["man", "woman", "girl", "egg", "", "street", "man", "bike", "street"]
    assert vocabulary.slot_pair.tolist() == [0, 0, 0, 1, 1, 2, 3, 4, 5]
    assert vocabulary.pair_start.tolist() == [0, 3, 5, 6, 7, 8, 9]
    assert vocabulary.verb_pairs.tolist()[1:] == [[2] + [PADDING] * 5, [3, 4, 5] + [PADDING] * 3]


def test_slots_of_situations_name_their_nouns():
    vocabulary = Vocabulary.of(RECORDS)
    nouns = np.full((2, 6), PADDING)
    nouns[0, :2] = [vocabulary.nouns.index("girl"), vocabulary.nouns.index("")]
    nouns[1, 0] = vocabulary.nouns.index("street")
    slots = vocabulary.slots(np.array([0, 1]), nouns)
    assert slots.tolist() == [[2, 4] + [PADDING] * 4, [5] + [PADDING] * 5]


def test_a_noun_that_a_role_never_has_is_refused_by_name():
    vocabulary = Vocabulary.of(RECORDS)
    nouns = np.full((1, 6), PADDING)
    nouns[0, :2] = vocabulary.nouns.index("street"), vocabulary.nouns.index("egg")
    with pytest.raises(InvalidInput, match="noun 'street' never occurs as agent of cooking"):
        vocabulary.slots(np.array([0]), nouns)
    nouns[0, 0] = 99
    with pytest.raises(InvalidInput, match="noun number 99 never occurs"):
        vocabulary.slots(np.array([0]), nouns)


def test_a_role_stands_in_a_column_of_each_verb():
    vocabulary = Vocabulary.of(RECORDS)
    assert vocabulary.role_of("agent").tolist() == [0, PADDING, 0]
    assert vocabulary.role_of("place").tolist() == [PADDING, 0, 2]
    assert vocabulary.role_of("nothing").tolist() == [PADDING] * 3


def test_verbs_without_roles_and_frames_of_other_roles_are_refused():
    with pytest.raises(InvalidInput, match="verb 'a' has 0 roles"):
        Vocabulary.of([("a", [{}])])
    with pytest.raises(InvalidInput, match="verb 'a' has 7 roles"):
        Vocabulary.of([("a", [dict.fromkeys("abcdefg", "")])])
    with pytest.raises(InvalidInput, match="a frame of verb 'a' has the roles x, another of them y"):
        Vocabulary.of([("a", [{"y": ""}]), ("a", [{"x": ""}])])
