"""The brake's settings, and mistakes in them."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from consumer.config.sections.detect import BrakeSettings, DetectSettings


def test_default_is_share_of_mean_only() -> None:
    brake = DetectSettings().brake
    assert (brake.floor, brake.share_of_mean, brake.lapse_limit) == (None, 0.1, None)
    assert DetectSettings().bad_record_share == 0.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"floor": 0}, "floor"),
        ({"share_of_mean": 1.5}, "share_of_mean"),
        ({"window": "1s"}, "window"),
        ({"mean_over": "2m"}, "mean_over must be at least six times window"),
        ({"lapse_limit": 0}, "lapse_limit"),
        ({"flor": 3}, "flor"),
    ],
)
def test_invalid_brake_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BrakeSettings.model_validate(wrong)


def test_bad_record_share_is_between_0_and_1() -> None:
    with pytest.raises(ValidationError, match="bad_record_share"):
        DetectSettings.model_validate({"bad_record_share": 5})


def test_short_window_allows_short_mean() -> None:
    assert BrakeSettings.model_validate({"window": "10s", "mean_over": "1m"}).mean_over == timedelta(minutes=1)
