# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of mistakes and what making them takes.

A mistake is a function (parts, stack): parts are the models of a case as
run.build () gives them, made for this run alone; what is changed outside them
goes through patch () and ends with the stack.
"""

import functools
from unittest import mock

MUTATIONS = []


def mutation(title, *names):
    """Register a function (parts, stack) that makes a mistake."""

    def register(function):
        MUTATIONS.append((title, function, [name for group in names for name in as_list(group)]))
        return function

    return register


def as_list(names):
    """A list of case names from one or several."""
    return [names] if isinstance(names, str) else names


def wrap(owner, name, wrapper):
    """Replace owner.name by wrapper (original, ...)."""
    setattr(owner, name, functools.partial(wrapper, getattr(owner, name)))


def patch(stack, owner, name, value):
    """Replace something global until the stack unwinds."""
    stack.enter_context(mock.patch.object(owner, name, value))
