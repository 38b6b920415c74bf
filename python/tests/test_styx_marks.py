"""Paths of inputs in texts: found where they stand by themselves, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

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
        ("/e/", [2, "/"]),
        ("/e/..", ["/e/.."]),
        ("/e/../f", ["/e/../f"]),
        ("/e/f/../g,x", ["/e/f/../g,x"]),
        ("/e/..f /d/a", [2, "/..f ", 0]),
        ("cat '/d/a' \"/e\"", ["cat '", 0, "' \"", 2, '"']),
        ("'/e'/../f", ["'/e'/../f"]),
        ("'/d/a'x", ["'/d/a'x"]),
        ("/mnt'/d/a'", ["/mnt'/d/a'"]),
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{0}/in b", ["{0}/in b"]),
        ("--of={0}/in,b", ["--of={0}/in,b"]),
        ("{0}/in c", [0, " c"]),
        ("{0}/in,{0}/in b", [0, ",{0}/in b"]),
        ("{0}/q {0}/in", ["{0}/q {0}/in"]),
        ("{0}/dir/x y", [1, "/x y"]),
        ("{0}/dir/x y/../../in", ["{0}/dir/x y/../../in"]),
        ("{0}/dir b", ["{0}/dir b"]),
        ("{0}/dir c", [1, " c"]),
    ],
)
def test_a_border_may_be_a_letter_of_a_name(text: str, parts: Parts, tmp_path: Path) -> None:
    for name in ("in", "in b", "in,b", "dir/x y/f", "dir b", f"q {tmp_path}/in"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    marks = Marks([(f"{tmp_path}/in", 0, False), (f"{tmp_path}/dir", 1, True)])
    found = marks.parts(text.format(tmp_path))
    assert found == [it.format(tmp_path) if isinstance(it, str) else it for it in parts]
