"""`feedback/selection_settings.py`: what of [selection] determines results."""

from biasloop.feedback.selection_settings import SelectionSettings


def settings(name, **options):
    return SelectionSettings.model_validate({"name": name, "options": options})


def test_options_of_other_selectors_are_no_part_of_what_determines_results():
    alone = settings("reducr", reducr={"eta": 0.1}).identity()
    assert settings("reducr", reducr={"eta": 0.1}, payoff={"bins": 4}).identity() == alone
    assert alone["options"] == {"reducr": {"eta": 0.1}}


def test_options_of_the_selector_are():
    identities = [settings("reducr", reducr={"eta": eta}).identity() for eta in (0.1, 0.2)]
    assert identities[0] != identities[1]


def test_a_selector_without_options_is_the_same_whether_it_is_given_a_table_or_not():
    assert settings("rho", rho={}).identity() == settings("rho", reducr={"eta": 0.1}).identity()
