"""What a function is called with: told apart as a program tells it apart, or refused."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import sys
import uuid
import zoneinfo
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import ibid
import pytest


def compute(spec: Any) -> None:
    """Is never called."""
    raise AssertionError(spec)


def key(spec: Any) -> str:
    """Returns the key of a spec."""
    return ibid.Cache().key(spec, compute)


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: float
    color: Color = Color.RED
    many: ClassVar[int] = 3


@dataclasses.dataclass
class Place:
    """Another of the same fields."""

    x: float
    color: Color = Color.RED

    @functools.cached_property
    def twice(self) -> float:
        return 2 * self.x


@dataclasses.dataclass
class Started:
    """A dataclass with something that only its beginning sees."""

    x: float
    scale: dataclasses.InitVar[float]

    def __post_init__(self, scale: float) -> None:
        self.x *= scale


class Heavier(Point):
    """A class that adds what is no field."""

    def __init__(self, x: float, weight: float) -> None:
        super().__init__(x)
        self.weight = weight


class Pair(NamedTuple):
    """A tuple with names."""

    x: float
    y: float


class Dtype:
    """As much of a type of numpy as is used."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind

    def __str__(self) -> str:
        return self.name


class Scalar:
    """As much of a number of numpy as is used."""

    __module__ = "numpy"
    ndim = 0

    def __init__(self, value: float, name: str = "float64", kind: str = "f") -> None:
        self._value, self.dtype = value, Dtype(name, kind)

    def item(self) -> float:
        return self._value


def test_specs_are_told_apart_as_data_is() -> None:
    noon = datetime.datetime(2026, 1, 1, 12)
    specs: list[Any] = [
        {"x": 1.0},
        {"x": 1},
        {"x": "1"},
        {"x": True},
        {"x": None},
        {"x": -0.0},
        {"x": 0.0},
        {},
        [1],
        (1,),
        {1},
        b"1",
        1j,
        [(0, 1)],
        [[0, 1]],
        Point(1.0),
        Place(1.0),
        Point(1.0, Color.BLUE),
        Pair(1.0, 2.0),
        (1.0, 2.0),
        Scalar(1.0),
        Scalar(1, "uint8", "u"),
        Scalar(1, "int64", "i"),
        {"é": 2**70},
        noon,
        str(noon),
        noon.replace(tzinfo=datetime.UTC),
        noon.replace(tzinfo=datetime.timezone(datetime.timedelta(0), "CET")),
        noon.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1), "CET")),
        noon.replace(tzinfo=zoneinfo.ZoneInfo("CET")),
        noon.time().replace(tzinfo=zoneinfo.ZoneInfo("CET")),
        noon.date(),
        datetime.timedelta(1),
        decimal.Decimal("1.0"),
        decimal.Decimal("1.00"),
        uuid.UUID(int=1),
        Path("a"),
        "a",
    ]
    keys = [key(spec) for spec in specs]
    assert len(set(keys)) == len(specs)
    assert len(keys[0]) == len("blake3:") + 64


def test_equal_specs_have_one_key() -> None:
    assert key({"a": 1, "b": [1, 2]}) == key({"b": [1, 2], "a": 1})
    assert key({"a", "b", "c"}) == key({"c", "b", "a"})
    assert key(Point(1.0)) == key(Point(1.0, Color.RED))
    assert key(Started(1.0, 2.0)) == key(Started(2.0, 1.0))
    place = Place(1.0)
    before = key(place)
    assert place.twice == 2.0
    assert key(place) == before


def class_of() -> Any:
    """Returns a class that is another each time, and has the name of all of them."""

    @dataclasses.dataclass
    class Made:
        x: int

        def signed(self) -> int:
            return self.x

    return Made


@dataclasses.dataclass
class Items(list[int]):
    """A list that has a field."""

    name: str = ""

    def __init__(self, items: list[int]) -> None:
        super().__init__(items)


@dataclasses.dataclass
class Shown(Exception):
    """An exception that has a field."""

    name: str


class Longer(Pair):
    """A tuple with fewer names than items."""

    def __new__(cls, *items: float) -> Longer:
        return tuple.__new__(cls, items)


@dataclasses.dataclass
class Slotted:
    """It has a slot under a name that Python changes, and no field for it."""

    __slots__ = ("__scale", "x")
    x: int

    def scaled(self, scale: int) -> Slotted:
        self.__scale = scale
        return self

    def total(self) -> int:
        return self.x * self.__scale


class Below(Slotted):
    """It hides the slot of the class above it."""

    __slots__ = ("x",)


def below() -> Below:
    """Returns one that has set both slots."""
    made = Below(1)
    vars(Slotted)["x"].__set__(made, 2)
    return made


def zone_of_a_file() -> zoneinfo.ZoneInfo:
    """Returns a zone that has a name, and rules of its own."""
    path = next(path for path in zoneinfo.TZPATH if (Path(path) / "UTC").exists())
    with open(Path(path) / "UTC", "rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key="CET")


def circle() -> Any:
    """Returns what contains itself."""
    items: list[Any] = [1]
    items.append({"again": items})
    return {"a": items}


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (Items([1]), "`spec` is a `test_spec.Items`, which has fields and is a `list`"),
        ([Shown("a")], r"`spec\[0\]` .*has fields and is a `\w*Exception`"),
        (Longer(1, 2, 3), "has 3 items, and names for 2"),
        ([class_of()(1), class_of()(1)], r"`spec\[1\]` is of another class.*Made"),
        ({"a": class_of()(1), "b": [class_of()(1)]}, r"`spec\['b'\]\[0\]` is of another class"),
        (circle(), r"`spec\['a'\]\[1\]\['again'\].* more than 64 deep"),
        ({"a": [1, 10**5000]}, r"`spec\['a'\]\[1\]` cannot be written down"),
        ({"s": {1, 10**5000}}, r"`spec\['s'\]\[\d\]` cannot be written down"),
        ({"f": fractions.Fraction(10**5000)}, r"`spec\['f'\]` cannot be written down"),
        ({"a": [object()]}, r"spec\['a'\]\[0\]. is a .builtins.object"),
        ({"a": bytearray()}, "builtins.bytearray"),
        ({1: 2}, "the name 1"),
        (float("inf"), "is inf"),
        ({"__ibid_type__": "x"}, "which is taken"),
        ({"a": "\ud800"}, "UTF-8"),
        ({"\ud800": "a"}, "UTF-8"),
        (Heavier(1.0, 2.0), "`weight`, which is none of its fields"),
        (Slotted(1).scaled(2), "`_Slotted__scale`, which is none of its fields"),
        (below(), "`Slotted.x`, which is none of its fields"),
        (datetime.datetime(2026, 1, 1, tzinfo=zone_of_a_file()), "was read from a file"),
        (Scalar(5, "timedelta64[ns]", "m"), "no plain form"),
        (Scalar(float("nan")), "is nan"),
        (complex(0, float("inf")), "is inf"),
    ],
)
def test_a_spec_without_a_form_is_refused_by_its_place(spec: Any, named: str) -> None:
    with pytest.raises(ibid.UsageError, match=named):
        ibid.Cache().get_or_compute(spec, compute)


def test_numbers_of_numpy_count_with_their_types() -> None:
    numpy = pytest.importorskip("numpy")
    specs = [
        numpy.uint8(200),
        numpy.int64(200),
        numpy.array(200, "uint8"),
        numpy.array(200),
        numpy.float32(200),
        numpy.bool_(True),
    ]
    assert len({key(spec) for spec in specs}) == len(specs)
    for unit in ("ns", "ps"):
        with pytest.raises(ibid.UsageError, match="no plain form"):
            key(numpy.timedelta64(5, unit))


def test_models_count_with_all_that_they_hold() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Square(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        side: float = 1.0

    class Circle(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        side: float = 1.0

    class Named(Square):
        name: str = "a"

    class Holds(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        model_config = pydantic.ConfigDict(extra="allow")
        shape: Square | Circle | None = None
        day: datetime.date | str = ""
        items: Any = None
        hidden: int = pydantic.Field(default=0, exclude=True)
        _state: int = 0

    stateful = Holds()
    stateful._state = 1
    specs = [
        Holds(),
        Holds(shape=Square()),
        Holds(shape=Circle()),
        Holds(shape=Named()),
        Holds(shape=Named(name="b")),
        Holds(day=datetime.date(2026, 1, 1)),
        Holds(day="2026-01-01"),
        Holds(items=[1]),
        Holds(items=(1,)),
        Holds(hidden=1),
        Holds(more=1),
        stateful,
    ]
    assert len({key(spec) for spec in specs}) == len(specs)
    assert key(Square(side=1)) == key(Square()) == key(Square(side=1.0))

    class Secret(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        token: pydantic.SecretStr  # type: ignore[name-defined]

    with pytest.raises(ibid.UsageError, match="SecretStr"):
        key(Secret(token="x"))


SHAPES = """
import dataclasses, enum

class Unit(enum.Enum):
    METRE = 1

    def factor(self):
        return {factor}

@dataclasses.dataclass
class Spec:
    x: float
    unit: Unit = Unit.METRE

    def total(self):
        return {total}
"""


def test_the_code_of_what_a_spec_is_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(project)

    def key_of(factor: str, total: str) -> str:
        sys.modules.pop("shapes_of_specs", None)
        (project / "shapes_of_specs.py").write_text(SHAPES.format(factor=factor, total=total))
        # The time of the file is that of the compiled one before.
        shapes = __import__("shapes_of_specs")
        return ibid.Cache().key([shapes.Spec(1.0)], lambda specs: specs[0].total())

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    first = key_of("1", "self.x")
    assert key_of("1", "self.x") == first
    assert key_of("1", "self.x + 1") != first
    assert key_of("2", "self.x") != first


def test_what_a_member_of_an_enumeration_was_given_counts() -> None:
    class Planet(enum.Enum):
        EARTH = 1

        def __init__(self, mass: int) -> None:
            self.mass: Any = mass

    def key_of_spec(spec: Any) -> str:
        return ibid.Cache(code="one").key(spec, compute)

    before = key_of_spec(Planet.EARTH)
    Planet.EARTH.mass = 2
    assert key_of_spec(Planet.EARTH) != before
    Planet.EARTH.mass = 1
    assert key_of_spec(Planet.EARTH) == before
    Planet.EARTH.mass = object()
    with pytest.raises(ibid.UsageError, match="mass"):
        key_of_spec(Planet.EARTH)
