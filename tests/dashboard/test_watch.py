"""Questions that are asked in a thread: at their pace, and not when nobody wants to know."""

from __future__ import annotations

import threading
import time

import pytest
from hang_guard import hang_guard

from hpcsim.dashboard import watch
from hpcsim.dashboard.watch import Watch
from hpcsim.errors import SlurmError


@pytest.fixture
def begin():
    """Start watches; they stop with the test."""
    started = []

    def make(ask, **paces) -> Watch:
        made = Watch(ask, **paces)
        made.start()
        started.append(made)
        return made

    yield make
    for made in started:
        made.stop()


def until(condition, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_wants_the_answer_gets_the_last_one_and_asks_nobody(begin):
    calls = []
    made = begin(lambda: calls.append(1) or len(calls), least=60, most=60)
    assert made.answer(10) == 1
    for _ in range(100):
        assert made.answer(10) == 1
    assert len(calls) == 1


def test_nobody_waits_for_a_question_that_hangs(begin):
    go_on = threading.Event()
    made = begin(lambda: go_on.wait(3000), least=0.1, most=1)
    with hang_guard(300):
        assert made.answer(0.1) is None
    go_on.set()
    until(lambda: made.answer() is True)


def test_without_a_pace_of_its_own_nothing_is_asked_before_somebody_wants_to_know(begin):
    calls = []
    made = begin(lambda: calls.append(1), least=0.01, most=0.01)
    time.sleep(0.2)
    assert not calls
    made.answer(10)
    assert calls


def test_it_rests_when_nobody_wants_to_know_any_more(begin, monkeypatch):
    monkeypatch.setattr(watch, "_WANTED", 0.2)
    calls = []
    made = begin(lambda: calls.append(1), least=0.02, most=0.02)
    until(lambda: made.answer() or len(calls) > 2)
    time.sleep(0.5)
    count = len(calls)
    time.sleep(0.5)
    assert len(calls) <= count + 1


def test_the_pace_slows_down_while_nothing_changes(begin, monkeypatch):
    monkeypatch.setattr(watch, "pauses", lambda: iter([0.01, 0.02, 0.04, 0.08, 0.16, 30, 30]))
    calls = []
    made = begin(lambda: len(calls.append(1) or calls) < 3, least=0, most=60)
    made.answer(10)
    # two answers are new (the first, and the third), each begins the pace anew; then 5 more until the long pause
    until(lambda: len(calls) >= 8)
    time.sleep(0.5)
    assert len(calls) == 8


class Clock:
    """A clock that goes on only where a test says so."""

    now = 0.0

    def monotonic(self):
        return self.now


def test_dear_questions_are_asked_rarely(begin, monkeypatch):
    """A question that takes t is followed by a pause of t / 0.05 while somebody wants to know, else of t / 0.005."""
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    rests, over = [], threading.Event()

    def rest(made, wanted, idle):
        rests.append((wanted, idle))
        if len(rests) > 3:
            made.stop()
            over.set()

    monkeypatch.setattr(Watch, "_rest", rest)

    def ask():
        clock.now += 0.5
        return len(rests)

    begin(ask, least=0, most=0, idle=1.0)
    assert over.wait(300)
    # the first one is before the first question
    assert rests[1:] == [(pytest.approx(10), pytest.approx(100))] * 3


def test_an_error_is_kept_beside_the_last_answer(begin):
    answers = iter([1, SlurmError("the controller is down"), 2])

    def ask():
        answer = next(answers, 2)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = begin(ask, least=0.3, most=0.3)
    assert made.answer(10) == 1
    until(lambda: made.error == "the controller is down")
    assert made.answer() == 1
    until(lambda: made.answer() == 2)
    assert made.error == ""


def test_what_is_known_to_be_old_is_asked_again_at_once(begin):
    calls = []
    made = begin(lambda: calls.append(1) or len(calls), least=60, most=60)
    assert made.answer(10) == 1
    made.hurry()
    until(lambda: made.answer() == 2)
