"""ARCHITECTURE.md#the-watermark: it advances by what has been read, and by nothing else."""

import json

import numpy as np

from consumer.activity.decoder import ActivityDecoder
from consumer.activity.field_paths import build_field_paths
from consumer.activity.json_reader import JsonReader
from consumer.config.sections.source import SourceSettings
from consumer.detect.watermark import WallClockGuard, Watermark

from .detect_diary import Diary, moment


def test_quiet_partitions_watermark_advances() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:00:30").passes().says("DUE maria account-setup 0")


def test_empty_partition_has_a_watermark() -> None:
    diary = Diary().at("Mon 09:00").passes()
    assert diary.partition.watermark.value == moment("Mon 09:00")


def test_a_lagging_consumer_is_not_mistaken_for_a_quiet_client() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Mon 20:00").happens("ken", "STARTED").happens("maria", "COMPLETED")
    diary.at("Tue 12:00").asks_for_the_end().reads(1).says_nothing()
    diary.at("Tue 12:01").reads(1).says_nothing()


def test_broker_that_does_not_answer_stops_the_watermark() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Wed 09:00").reads().says_nothing()
    diary.at("Wed 09:01").passes().says("DUE maria account-setup 0")


def test_after_a_restore_nothing_is_asked_for_before_what_piled_up_is_read() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").passes().crashes_and_restarts()
    diary.at("Tue 08:00").happens("maria", "PROGRESSED")
    diary.at("Tue 10:00").asks_for_the_end().reads(0).says_nothing()
    diary.reads().says("DUE ken account-setup 0")


def test_watermark_is_the_time_of_the_request_not_of_the_answer() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:00").happens("ken", "STARTED").asks_for_the_end()
    diary.at("Tue 15:00").reads()
    assert diary.partition.watermark.value == moment("Tue 09:00")


def test_an_end_behind_a_transaction_marker_is_reached_by_the_end_of_partition_position() -> None:
    clock = Watermark()
    clock.add_end_offset(1_000, end=11)  # ten records and a marker
    clock.advance_to(10)
    assert clock.value is None
    clock.advance_to(11)
    assert clock.value == 1_000


def test_open_upstream_transaction_stops_the_watermark() -> None:
    clock = Watermark(500)
    clock.add_end_offset(1_000, end=20)
    clock.advance_to(12)  # as far as read_committed lets anybody read
    assert clock.value == 500
    clock.advance_to(20)
    assert clock.value == 1_000


def test_watermark_never_goes_back() -> None:
    clock = Watermark(5_000)
    clock.add_end_offset(1_000, end=0)
    clock.advance_to(0)
    assert clock.value == 5_000


def test_long_lag_keeps_a_bounded_number_of_end_offsets() -> None:
    clock = Watermark()
    for second in range(10_000):
        clock.add_end_offset(second, end=second * 10)
    for second in range(0, 10_000, 97):
        clock.advance_to(second * 10)
        assert clock.value is None or clock.value <= second
    clock.advance_to(100_000)
    assert clock.value is not None
    assert clock.value > 9_000


def test_a_wall_clock_that_jumps_is_not_believed_until_it_comes_back() -> None:
    guard = WallClockGuard()
    assert guard.agrees(wall=1_000_000, monotonic=0)
    assert guard.agrees(wall=1_010_100, monotonic=10_000)  # an NTP daemon at work
    assert not guard.agrees(wall=1_010_100 + 86_400_000, monotonic=10_000)
    assert not guard.agrees(wall=1_020_000 + 86_400_000, monotonic=20_000)
    assert guard.agrees(wall=1_030_000, monotonic=30_000)


def test_a_wall_clock_that_was_set_once_is_believed_after_a_minute_of_agreement() -> None:
    guard = WallClockGuard()
    assert guard.agrees(wall=1_000_000, monotonic=0)
    ahead = 3_600_000
    assert not guard.agrees(wall=1_010_000 + ahead, monotonic=10_000)
    assert not guard.agrees(wall=1_069_999 + ahead, monotonic=69_999)
    assert guard.agrees(wall=1_070_000 + ahead, monotonic=70_000)
    assert guard.agrees(wall=1_080_000 + ahead, monotonic=80_000)


def test_a_wall_clock_that_goes_on_jumping_or_drifting_is_not_believed() -> None:
    guard = WallClockGuard()
    assert guard.agrees(wall=0, monotonic=0)
    for second in range(10, 300, 10):
        assert not guard.agrees(wall=second * 2_000, monotonic=second * 1_000)


def test_a_producer_whose_clock_is_ahead_puts_nobodys_reminder_off() -> None:
    diary = Diary().at("Mon 09:00")
    activity = {"event_id": "1", "user_id": "maria", "process": "account-setup", "kind": "STARTED"}
    told = json.dumps({**activity, "occurred_at": moment("Mon 17:00")}).encode()
    decoder = ActivityDecoder(JsonReader(build_field_paths(SourceSettings(format="json")), None), None)
    decoded = decoder.decode([told], np.array([diary.now]), diary.now)
    assert decoded.clamped == 1, "set back to the time of its record, and counted"
    diary.hears(decoded.frame)
    diary.at("Tue 09:00:29.999").passes().says_nothing()
    diary.at("Tue 09:00:30").passes().says("DUE maria account-setup 0")
