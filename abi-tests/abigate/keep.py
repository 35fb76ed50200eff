# SPDX-License-Identifier: GPL-2.0-only
"""Keeps the answers of one process: the same question is not put to a compiler twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

_T = TypeVar("_T")


class Keep:
    """
    Answers by question, for as long as the process runs.

    A question has everything in it that its answer depends on. Of threads that ask the same, one
    works and the others wait. An exception is no answer: the next one to ask tries again.
    """

    def __init__(self) -> None:
        self._answers: dict[Hashable, object] = {}
        self._busy: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, make: Callable[[], _T]) -> _T:
        """The answer to a question, which make() finds when it is new."""
        with self._lock:
            busy = self._busy.setdefault(question, threading.Lock())
        with busy:
            if question not in self._answers:
                self._answers[question] = make()
            # A question always comes with a make() of the same kind.
            return cast(_T, self._answers[question])

    def items(self, kind: str) -> list[tuple[tuple[Hashable, ...], object]]:
        """(question, answer) of the questions that begin with this word, oldest first."""
        with self._lock:
            return [(question, answer) for question, answer in self._answers.items()
                    if isinstance(question, tuple) and question[0] == kind]
