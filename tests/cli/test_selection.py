from __future__ import annotations

import numpy as np
import pytest

from knownot.cli.selection import parse_selection, select_known


def test_select_known_takes_all_where_nothing_is_chosen():
    assert parse_selection(None, None) is None
    y, known = select_known(np.array([3, 4]), None)
    assert y.tolist() == [3, 4]
    assert known.all()


@pytest.mark.parametrize(
    ("known", "groups", "sentence"),
    [
        ("a", "b=c", "both given"),
        ("a,,b", None, "empty name"),
        ("", None, "empty name"),
        ("a,a", None, "same name twice"),
        (None, "even", "without an = sign"),
        (None, "even=", "empty name"),
        (None, "even=0+,odd=1", "empty name"),
        (None, "=0", "empty name"),
        (None, "x=0,x=1", "same name twice"),
    ],
)
def test_parse_selection_refuses_what_it_cannot_read(known, groups, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_selection(known, groups)


def test_select_known_keeps_labels():
    y, known = select_known(np.array([0, 1, 2, 1]), parse_selection("1,2", None))
    assert y.tolist() == [0, 1, 2, 1]
    assert known.tolist() == [False, True, True, True]


def test_select_known_takes_names_of_classes():
    names = ("plane", "cat", "dog")
    y, known = select_known(np.array([0, 1, 2]), parse_selection("cat,dog", None), names)
    assert y.tolist() == [0, 1, 2]
    assert known.tolist() == [False, True, True]


def test_select_known_takes_numbers_and_names_together():
    _, known = select_known(np.array([0, 1, 2]), parse_selection("0,dog", None), ("plane", "cat", "dog"))
    assert known.tolist() == [True, False, True]


def test_select_known_names_groups_and_leaves_others():
    y, known = select_known(np.array(["a", "b", "c", "a"]), parse_selection(None, "vowel=a,first=b"))
    assert y.tolist() == ["vowel", "first", "c", "vowel"]
    assert known.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"cta": ["cta"]}, "no class 'cta'.*Did you mean 'cat'"),
        ({"x": ["cat"], "y": ["cat"]}, "more than one place"),
        ({"dog": ["cat", "bird"]}, "group 'dog', but a class outside of it"),
    ],
)
def test_select_known_refuses_a_choice_that_does_not_fit(chosen, sentence):
    with pytest.raises(ValueError, match=sentence):
        select_known(np.array(["cat", "dog", "bird"]), chosen)
