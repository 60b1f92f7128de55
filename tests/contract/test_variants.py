"""Settings of a model beside a run's own."""

import pytest
from pydantic import BaseModel, ConfigDict

from biasloop.contract.variants import varied
from biasloop.errors import InvalidInput


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    data: str = "a"
    network: str = "large"
    epochs: int = 3


def test_settings_of_training_may_be_others():
    assert varied(Settings(data="b"), {"network": "small"}, ["network", "epochs"]) == Settings(
        data="b", network="small"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "c"}, "^data cannot be set for a model beside the run's own.*its own epochs, network"),
        ({"nets": "c"}, "^nets cannot be set"),
        ({"epochs": "many"}, "settings of a model beside the run's own: epochs: .*integer"),
    ],
)
def test_others_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        varied(Settings(), changes, ["network", "epochs"])
