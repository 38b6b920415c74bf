"""Paths of inputs in texts: found where they stand by themselves, and nowhere else."""

from __future__ import annotations

import os

import pytest
from ibid.styx._marks import Marks, Parts

KNOWN = Marks([("/d/a", 0, False), ("/d/a.nii", 1, False), ("/e", 2, True), ("/d/a", 3, False)])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("/d/a", [0]),
        ("/d/a.nii", [1]),
        ("--in=/d/a", ["--in=", 0]),
        ("MI[/d/a,/d/a.nii,1]", ["MI[", 0, ",", 1, ",1]"]),
        ("/d/a[0..2]", [0, "[0..2]"]),
        ("/d/a.nii.gz", ["/d/a.nii.gz"]),
        ("/d/ab", ["/d/ab"]),
        ("/d/a/b", ["/d/a/b"]),
        ("/mnt/d/a", ["/mnt/d/a"]),
        ("-i/d/a", ["-i/d/a"]),
        ("/e/f", [2, "/f"]),
        ("/e", [2]),
        ("/ef", ["/ef"]),
        ("", [""]),
    ],
)
def test_paths_are_found_where_they_stand_by_themselves(text: str, parts: Parts) -> None:
    assert KNOWN.parts(text) == parts


def test_a_text_that_is_a_path_may_be_spelled_in_any_way() -> None:
    marks = Marks([], {os.path.abspath("a"): 0})
    for text in ("a", "./a", "b/../a", os.path.abspath("a")):
        assert marks.parts(text) == [0]
    for text in ("", "b", "--in=a"):
        assert marks.parts(text) == [text]
