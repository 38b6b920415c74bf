"""Writes docs/reference/vectors/key-format.json with the second implementation (`key_format`).

Run it only to add vectors: those that exist are frozen, and a change of one is a change of keys.
"""

import json
import sys
from pathlib import Path

import cbor2
import key_format as kf

OUT = Path(__file__).parents[2] / "docs/reference/vectors/key-format.json"
LINUX = ["linux", "x86_64"]


def digest(text):
    return kf.blob_digest(text.encode()).hex()


def values():
    borders = [0, 1, 10, 23, 24, 25, 100, 255, 256, 1000, 65535, 65536, 2**31 - 1, 2**31]
    borders += [2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1]
    borders += [2**72 - 1, 2**72, 10**30, 2**128, 2**256 - 1, 3**500]
    for n in borders:
        yield f"integer {n if n < 10**40 else 'of many digits'}", n
        yield f"integer {-1 - n if n < 10**40 else 'of many digits, negative'}", -1 - n
    yield "the longest integer", 2 ** (8 * kf.MAX_INTEGER_BYTES) - 1
    yield "the longest negative integer", -(2 ** (8 * kf.MAX_INTEGER_BYTES))
    floats = [0.0, -0.0, 1.0, -1.0, 1.5, 0.1, -4.1, 1 / 3, 100000.0, 65504.0, 3.4028234663852886e38]
    floats += [1e300, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -5e-324]
    floats += [2.225073858507201e-308, 2.2250738585072014e-308, 5.960464477539063e-08, 2.0**53]
    floats += [3.141592653589793, 2.718281828459045, 1e23, 9007199254740993.0]
    for x in floats:
        yield f"float {x!r}", x
    yield "false", False
    yield "true", True
    yield "null", None
    texts = {
        "empty": "",
        "one letter": "a",
        "digits are text": "1",
        "quote and backslash": "\"\\",
        "newline and NUL": "a\n\0b",
        "e with acute, composed": "\u00e9",
        "e with acute, decomposed": "e\u0301",
        "angstrom sign": "\u212b",
        "ligature": "\ufb01",
        "Hangul, composed": "\uac00",
        "Hangul, decomposed": "\u1100\u1161",
        "Chinese": "\u6c34",
        "beyond the basic plane": "\U0001f427",
        "last code point": "\U0010ffff",
        "byte-order mark": "\ufeffa",
        "right-to-left override": "a\u202eb",
        "23 bytes": "x" * 23,
        "24 bytes": "x" * 24,
        "255 bytes": "x" * 255,
        "256 bytes": "x" * 256,
        "12 letters of two bytes": "\u00e9" * 12,
    }
    for name, text in texts.items():
        yield f"text: {name}", text
    yield "bytes: empty", b""
    yield "bytes: ascii", b"a"
    yield "bytes: not UTF-8", b"\xff\xfe\x00"
    yield "bytes: a float's encoding", bytes.fromhex("fb3ff0000000000000")
    for length in (1, 23, 24, 32, 255, 256):
        yield f"bytes: {length} of them", bytes(i % 256 for i in range(length))
    yield "array: empty", []
    yield "array: mixed", [1, 1.0, "1", b"1", True, None]
    yield "array: order counts", [2, 1]
    yield "array: of 23", list(range(23))
    yield "array: of 24", list(range(24))
    yield "array: of 256", [0] * 256
    yield "array: nested empties", [[], [[]], {}]
    yield "map: empty", {}
    yield "map: empty key", {"": 0}
    yield "map: shorter keys lead", {"aa": 1, "b": 2, "": 3, "aaa": 4}
    yield "map: bytewise among equal lengths", {"b": 1, "a": 2, "B": 3, "A": 4, "_": 5}
    yield "map: length in bytes, not letters", {"\u00e9": 1, "zz": 2, "z": 3}
    yield "map: composed and decomposed keys differ", {"e\u0301": 1, "\u00e9": 2}
    yield "map: digits sort as text", {"10": 1, "9": 2, "1": 3}
    yield "map: key of 23 and of 24 bytes", {"a" * 24: 1, "b" * 23: 2}
    yield "map: 24 entries", {f"k{i:02}": i for i in range(24)}
    yield "map: nested maps are ordered too", {"z": {"bb": 1, "a": 2}, "y": [{"d": 1, "c": 2}]}
    yield "map: planes sort by UTF-8, not UTF-16", {"\uffff": 1, "\U00010000": 2, "\ufffe": 3}
    deep = 0
    for _ in range(kf.MAX_DEPTH):
        deep = [deep]
    yield "64 arrays deep", deep
    deep = "x"
    for _ in range(30):
        deep = {"k": deep}
    yield "30 maps deep", deep
    yield "a spec", {
        "model": "lif",
        "dt": 1e-4,
        "neurons": 1000,
        "seed": 18446744073709551616,
        "weights": [0.5, -0.0, 2.0],
        "notes": None,
        "plastic": False,
    }


REFUSED_VALUES = {
    "nothing at all": "",
    "integer 0 in two bytes": "1800",
    "integer 23 in two bytes": "1817",
    "integer 255 in three bytes": "1900ff",
    "integer 65535 in five bytes": "1a0000ffff",
    "integer 2^32-1 in nine bytes": "1b00000000ffffffff",
    "integer -1 in two bytes": "3800",
    "integer -256 in three bytes": "3900ff",
    "text length in two bytes": "780161",
    "bytes length in three bytes": "59000161",
    "array length in two bytes": "980101",
    "map length in two bytes": "b801616101",
    "bignum of no bytes": "c240",
    "bignum of one byte": "c24101",
    "bignum that fits 64 bits": "c248ffffffffffffffff",
    "bignum with a leading zero": "c249000000000000000001",
    "bignum with a leading zero, nine left": "c24a00010000000000000000",
    "negative bignum that fits 64 bits": "c348ffffffffffffffff",
    "bignum of text": "c269010000000000000000"[:4] + "616161616161616161",
    "bignum in pieces": "c25f49010000000000000000ff",
    "bignum tag in two bytes": "d80249010000000000000000",
    "tag 0 (date as text)": "c074323031332d30332d32315432303a30343a30305a",
    "tag 1 (date as number)": "c11a514b67b0",
    "tag 4 (decimal fraction)": "c48221196ab3",
    "tag 5 (bigfloat)": "c5822003",
    "tag 24 (encoded CBOR)": "d8184101",
    "tag 28 (shared value)": "d81c01",
    "tag 29 (shared reference)": "d81d00",
    "tag 32 (URI)": "d82061" + "61",
    "tag 37 (UUID)": "d82550" + "00" * 16,
    "tag 258 (set)": "d9010280",
    "tag 55799 (self-described)": "d9d9f701",
    "half float 1.0": "f93c00",
    "single float 1.0": "fa3f800000",
    "half float zero": "f90000",
    "half NaN": "f97e00",
    "single NaN": "fa7fc00000",
    "double NaN": "fb7ff8000000000000",
    "double NaN with a payload": "fb7ff8000000000001",
    "double NaN, signalling": "fb7ff0000000000001",
    "double NaN, negative": "fbfff8000000000000",
    "double infinity": "fb7ff0000000000000",
    "double negative infinity": "fbfff0000000000000",
    "half infinity": "f97c00",
    "undefined": "f7",
    "simple value 0": "e0",
    "simple value 19": "f3",
    "simple value 24 in two bytes": "f818",
    "simple value 32": "f820",
    "simple value 255": "f8ff",
    "false in two bytes": "f814",
    "break alone": "ff",
    "reserved 28 (integer)": "1c",
    "reserved 29 (bytes)": "5d",
    "reserved 30 (array)": "9e",
    "reserved 31 (integer)": "1f",
    "reserved 31 (tag)": "df",
    "indefinite bytes": "5f4101ff",
    "indefinite bytes, empty": "5fff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9f01ff",
    "indefinite array, empty": "9fff",
    "indefinite map": "bf616101ff",
    "map keys in descending order": "a2616201616102",
    "map with the longer key first": "a262616101616202",
    "map with a key twice": "a2616101616102",
    "map with a key twice and one value": "a2616101616101",
    "map with an integer key": "a10101",
    "map with a bytes key": "a1416101",
    "map with a null key": "a1f601",
    "map with an array key": "a18001",
    "map with a float key": "a1fb3ff000000000000001",
    "text that is not UTF-8": "61ff",
    "text with a cut letter": "61c3",
    "text with an overlong letter": "62c080",
    "text with a surrogate": "63eda080",
    "text beyond the last code point": "64f4908080",
    "two values": "0101",
    "a value and a break": "01ff",
    "array cut": "8201",
    "array of 2^64-1": "9bffffffffffffffff",
    "array of 2^32 with nothing": "9b0000000100000000",
    "map of 2^63": "bb8000000000000000",
    "map without its last value": "a16161",
    "bytes cut": "430102",
    "bytes of 2^63": "5b8000000000000000",
    "text cut": "636161",
    "head cut": "19ff",
    "float cut": "fb3ff00000",
    "tag cut": "c2",
    "65 arrays deep": "81" * 65 + "00",
    "65 arrays deep, innermost empty": "81" * 64 + "80",
    "65 maps deep": "a1616b" * 65 + "00",
    "300 arrays deep": "81" * 300 + "00",
    "integer of 4097 bytes": "c2591001" + "01" + "00" * 4096,
}

FILE_A = {"file": [False, digest("a")]}
FILE_X = {"file": [True, digest("a")]}
TREE_0 = {"tree": digest("\x80")}

CONTENTS = {
    "file": FILE_A,
    "executable file": FILE_X,
    "empty file": {"file": [False, digest("")]},
    "tree": TREE_0,
    "link to a file": {"link": [["data.csv"], FILE_A]},
    "link over a link to an executable": {"link": [["v2", "../bin/tool"], FILE_X]},
    "link to a tree, not UTF-8": {"link": [[{"hex": "ff"}], TREE_0]},
}


def entry_file(text, executable=False):
    return {"file": [executable, len(text), digest(text)]}


TREES = {
    "empty": [],
    "one file": [["a", entry_file("a")]],
    "one executable": [["a", entry_file("a", True)]],
    "one empty file": [["a", entry_file("")]],
    "one link": [["a", {"link": "b"}]],
    "one empty directory": [["a", "dir"]],
    "directories above are added": [["a/b/c", entry_file("c")]],
    "given in any order": [["b", entry_file("b")], ["a", entry_file("a")]],
    "bytes order, not order of components": [
        ["a/b", entry_file("1")],
        ["a-b", entry_file("2")],
        ["a.b", entry_file("3")],
        ["a0", entry_file("4")],
    ],
    "case and length": [["b", "dir"], ["B", "dir"], ["aa", "dir"], ["ab/c", "dir"]],
    "names that are not UTF-8": [[{"hex": "ff"}, entry_file("1")], [{"hex": "66c3"}, "dir"]],
    "composed and decomposed": [["\u00e9", entry_file("1")], ["e\u0301", entry_file("2")]],
    "odd names": [["...", "dir"], [" ", "dir"], ["\n", "dir"], ["-rf", "dir"], ["a\\b", "dir"]],
    "links inside and out": [
        ["in", {"link": "d/f"}],
        ["d/f", entry_file("f")],
        ["out", {"link-out": ["../x", FILE_A]}],
        ["out-x", {"link-out": ["../x", FILE_X]}],
        ["out-d", {"link-out": ["/data", TREE_0]}],
        ["out-l", {"link-out": ["../l", {"link": [["x"], FILE_A]}]}],
    ],
    "a large size": [["a", {"file": [False, 2**64 - 1, digest("a")]}]],
    "30 files": [[f"f{i}", entry_file(str(i))] for i in range(30)],
}


def raw(*pairs):
    return cbor2.dumps([list(pair) for pair in pairs]).hex()


F = ["file", False, 1, bytes.fromhex(digest("a"))]
C = ["file", False, bytes.fromhex(digest("a"))]

REFUSED_TREES = {
    "not an array": "a0",
    "orphan": raw((b"a/b", F)),
    "orphan below a directory": raw((b"a", ["dir"]), (b"a/b/c", F)),
    "below a file": raw((b"a", F), (b"a/b", F)),
    "below a link": raw((b"a", ["link", b"b"]), (b"a/b", F)),
    "out of order": raw((b"b", F), (b"a", F)),
    "twice": raw((b"a", F), (b"a", F)),
    "directory after what lies in it": raw((b"a/b", F), (b"a", ["dir"])),
    "empty path": raw((b"", ["dir"])),
    "dot": raw((b".", F)),
    "dot-dot": raw((b"..", F)),
    "dot-dot below": raw((b"a", ["dir"]), (b"a/..", F)),
    "dot-dot as a directory": raw((b"..", ["dir"]), (b"../x", F)),
    "absolute": raw((b"/a", F)),
    "only a slash": raw((b"/", ["dir"])),
    "trailing slash": raw((b"a", ["dir"]), (b"a/", F)),
    "two slashes": raw((b"a", ["dir"]), (b"a//b", F)),
    "dot below": raw((b"a", ["dir"]), (b"a/.", F)),
    "NUL": raw((b"a\0b", F)),
    "path as text": raw(("a", F)),
    "digest of 31 bytes": raw((b"a", ["file", False, 1, bytes(31)])),
    "digest of 33 bytes": raw((b"a", ["file", False, 1, bytes(33)])),
    "digest as text": raw((b"a", ["file", False, 1, "0" * 32])),
    "negative size": raw((b"a", ["file", False, -1, bytes(32)])),
    "size as float": raw((b"a", ["file", False, 1.0, bytes(32)])),
    "size of 2^64": raw((b"a", ["file", False, 2**64, bytes(32)])),
    "mode instead of a truth value": raw((b"a", ["file", 0o755, 1, bytes(32)])),
    "file without a size": raw((b"a", ["file", False, bytes(32)])),
    "file with more": raw((b"a", ["file", False, 1, bytes(32), None])),
    "empty link": raw((b"a", ["link", b""])),
    "link with NUL": raw((b"a", ["link", b"b\0"])),
    "link as text": raw((b"a", ["link", "b"])),
    "outward link without text": raw((b"a", ["link-out", b"", C])),
    "outward link without content": raw((b"a", ["link-out", b"x"])),
    "outward link to a link to a link": raw(
        (b"a", ["link-out", b"x", ["link", [b"y"], ["link", [b"z"], C]]])
    ),
    "FIFO": raw((b"a", ["fifo"])),
    "directory with content": raw((b"a", ["dir", bytes(32)])),
    "entry without kind": raw((b"a", [])),
    "entry as text": raw((b"a", "dir")),
    "pair of three": raw((b"a", ["dir"], None)),
    "trailing byte": raw((b"a", ["dir"])) + "00",
    "cut": raw((b"a", F))[:-2],
}

REFUSED_CONTENTS = {
    "executable tree": ["tree", True, bytes(32)],
    "no digest": ["file", False],
    "short digest": ["file", False, bytes(20)],
    "unknown kind": ["fifo", False, bytes(32)],
    "link without texts": ["link", [], C],
    "link to a link": ["link", [b"a"], ["link", [b"b"], C]],
    "empty link text": ["link", [b""], C],
    "link text with NUL": ["link", [b"a\0"], C],
    "link with one text": ["link", b"a", C],
}

B = bytes.fromhex(digest("a"))
RECORDS = {
    "empty": [],
    "kinds sort by their encoding, shorter first": [
        [kind, "", 0] for kind in sorted(kf.KINDS)
    ],
    "names sort: index, bytes, text": [
        ["input", "a", 0],
        ["input", b"a", 0],
        ["input", 0, 0],
        ["input", 300, 0],
        ["input", b"", 0],
        ["input", b"b/c", 0],
        ["input", "", 0],
    ],
    "shorter names first": [["param", "beta", 1], ["param", "z", 2], ["param", "alpha", 3]],
    "a kind reserved for containers": [["image", "", ["x", "y"]]],
    "value of any kind": [["spec", 0, {"b": [1, 1.0], "a": None}]],
    "index of 2^64-1": [["spec", 2**64 - 1, None]],
}

REFUSED_RECORDS = {
    "not an array": {},
    "unknown kind": [["umask", "", 1]],
    "kind as bytes": [[b"env", "", 1]],
    "name of null": [["env", None, 1]],
    "name of a negative integer": [["spec", -1, 1]],
    "name of 2^64": [["spec", 2**64, 1]],
    "name of a float": [["spec", 0.0, 1]],
    "component of two": [["env", ""]],
    "component of four": [["env", "", 1, 2]],
    "out of order": [["param", "b", 1], ["param", "a", 1]],
    "alphabetic order of kinds": [["code", b"a", 1], ["env", "A", 1]],
    "a name twice": [["param", "a", 1], ["param", "a", 2]],
}

BASE = {"argv": ["true"], "dir": "", "env_mode": "strict", "platform": LINUX}

ACTIONS = {
    "least": BASE,
    "loose environment": BASE | {"env_mode": "loose"},
    "other platform": BASE | {"platform": ["macos", "aarch64"]},
    "in a folder": BASE | {"dir": "sub/dir"},
    "no words": BASE | {"argv": []},
    "two words": BASE | {"argv": ["a", "b"]},
    "one word with a blank": BASE | {"argv": ["a b"]},
    "empty word": BASE | {"argv": ["a", ""]},
    "word that is not UTF-8": BASE | {"argv": ["a", {"hex": "ff"}]},
    "shell": {k: v for k, v in BASE.items() if k != "argv"}
    | {"shell": [["/bin/sh", "-eu", "-c"], "true"]},
    "bash": {k: v for k, v in BASE.items() if k != "argv"}
    | {"shell": [["bash", "-euo", "pipefail", "-c"], "a | b"]},
    "shell with a by-content input": {k: v for k, v in BASE.items() if k != "argv"}
    | {
        "shell": [["/bin/sh", "-eu", "-c"], ["wc -l < ", 0, " > n"]],
        "inputs_by_content": [FILE_A],
    },
    "by content": BASE
    | {
        "argv": ["cat", [0], ["--in=", 1], ["x", 0, "y"]],
        "inputs_by_content": [FILE_A, TREE_0],
    },
    "segments without an input are plain": BASE | {"argv": [["tr", "", "ue"]]},
    "no segments are an empty word": BASE | {"argv": ["a", []]},
    "neighbouring texts join": BASE
    | {"argv": ["a", ["x", "y", 0, "", "z"]], "inputs_by_content": [FILE_A]},
    "empty texts are left out": BASE
    | {"argv": ["a", ["", 0, ""]], "inputs_by_content": [FILE_A]},
    "tools": BASE | {"tools": [["true", digest("elf")], ["/usr/bin/env", digest("env")]]},
    "code and implied": BASE
    | {"code": [["fit.py", FILE_A]], "implied": [["notes.txt", FILE_A], ["../shared/x", FILE_X]]},
    "packages": BASE
    | {"packages": [["python", {"map": [["numpy", [{"text": "2.1.0"}, {"bytes": "00ff"}]]]}]]},
    "inputs": BASE
    | {
        "inputs": [
            ["raw/b.csv", FILE_A],
            ["raw/a.csv", FILE_A],
            ["atlas", TREE_0],
            ["", TREE_0],
            ["/data/ref.nii", FILE_A],
            ["latest", {"link": [["run-7"], TREE_0]}],
            [{"hex": "ff"}, FILE_A],
        ]
    },
    "params are typed": BASE
    | {
        "params": [
            ["a", {"int": "1"}],
            ["b", {"float": "3ff0000000000000"}],
            ["c", {"text": "1"}],
            ["d", None],
            ["e", True],
            ["f", [{"int": "1"}]],
        ]
    },
    "specs in order": BASE | {"specs": [{"map": [["b", None], ["a", True]]}, {"map": []}]},
    "environment": BASE | {"env": [["UNSET", None], ["EMPTY", ""], ["OMP_NUM_THREADS", "4"]]},
    "versions": BASE
    | {
        "versions": [["model", "2"]],
        "versions_from": [["cc --version", "cc 14.2\n"]],
        "salts": [["cache", "7"]],
    },
    "standard input": BASE | {"stdin": digest("in")},
    "outputs": BASE
    | {
        "outputs": [
            ["path", "out.csv", False],
            ["path", "log.txt", True],
            ["dir", "figs", False],
            ["glob", "out/*.nii", False],
            ["path", "../elsewhere", False],
        ]
    },
    "a file called like a pattern": BASE
    | {"outputs": [["path", "*.txt", False], ["glob", "*.txt", False]]},
    "an output twice must meet both": BASE
    | {"outputs": [["path", "o", True], ["dir", "o", True], ["path", "o", False]]},
    "an output that the command updates": BASE
    | {"outputs": [["path", "log", False, True], ["path", "o", True], ["path", "o", False, True]]},
    "a function": {k: v for k, v in BASE.items() if k != "argv"}
    | {
        "call": "study.fit",
        "code": [["the function", FILE_A], ["study.fit", FILE_X]],
        "versions": [["python", "cpython 3.11"]],
        "outputs": [["path", "value.zarr", False]],
    },
    "a function called like a word": {k: v for k, v in BASE.items() if k != "argv"}
    | {"call": "true"},
    "all of it": {
        "argv": ["python3", "fit.py", "build/clean.csv", ["--ref=", 0], "--out", "fit.json"],
        "dir": "",
        "env_mode": "strict",
        "platform": LINUX,
        "tools": [["python3", digest("python")]],
        "code": [["fit.py", {"file": [False, digest("code")]}]],
        "inputs": [["build/clean.csv", {"file": [False, digest("clean")]}]],
        "inputs_by_content": [{"file": [False, digest("ref")]}],
        "params": [["species", {"text": "Adelie"}], ["alpha", {"float": "3fb999999999999a"}]],
        "env": [["OMP_NUM_THREADS", "4"]],
        "versions": [["model", "2"]],
        "outputs": [["path", "fit.json", False]],
    },
}

PATHS = [
    # declared, dir
    ("a", ""), ("a/b", ""), ("./a", ""), ("a/", ""), ("a//b", ""), ("a/./b", ""), ("a/../b", ""),
    ("", ""), (".", ""), ("./", ""), ("a/..", ""), ("...", ""), ("a/...", ""), (" ", ""),
    ("", "sub"), (".", "sub"), ("a", "sub"), ("../a", "sub"), ("..", "sub"), ("../sub/a", "sub"),
    ("../../a", "sub"), ("../..", "sub"), ("a", "sub/dir"), ("../../a", "sub/dir"),
    ("..", ""), ("../", ""), ("../a", ""), ("../../a", ""), ("../a/../b", ""), ("a/../../b", ""),
    ("../proj", ""), ("../proj/a", ""), ("../../me/proj/a", ""), ("../proj2", ""), ("../pro", ""),
    ("../../../home/me/proj/a", ""), ("../../../../a", ""), ("../../../../home/me/proj/a", ""),
    ("../../../../home/me/x", ""), ("../..", ""), ("../../..", ""), ("../../../..", ""),
    ("/", ""), ("/..", ""), ("/a", ""), ("//a", ""), ("/a/../b", ""), ("/../a", ""), ("/a/", ""),
    ("/home/me/proj", ""), ("/home/me/proj/", ""), ("/home/me/proj/a", ""), ("/home/me", ""),
    ("/home/me/project", ""), ("/home/me/proj/../proj/a", ""), ("/home/me/proj/../x", ""),
    ("/home/./me//proj/a", "sub"), ("/home/me/proj/a", "sub"), ("~/a", ""), ("$HOME/a", ""),
    ("e\u0301", ""), ("\u00e9", ""), ("a\0b", ""), ("../\0", ""), (b"\xff/a", ""), ("a\nb", ""),
]  # fmt: skip


def refused(cases, decode):
    for name, data in cases.items():
        data = bytes.fromhex(data) if isinstance(data, str) else cbor2.dumps(data)
        try:
            decode(data)
        except kf.Refused:
            yield {"name": name, "encoded": data.hex()}
        else:
            raise SystemExit(f"not refused: {name}")


def value_vectors():
    for name, value in values():
        node = kf.write_value(value)
        assert kf.encode(kf.read_value(node)) == kf.encode(value)
        yield {"name": name, "value": node, "encoded": kf.encode(value).hex()}


def content_vectors():
    for name, node in CONTENTS.items():
        yield {"name": name, "content": node, "encoded": kf.encode(kf.read_content(node)).hex()}


def tree_vectors():
    for name, node in TREES.items():
        encoded = kf.encode(kf.make_listing(kf.read_entries(node)))
        id_ = kf.blob_digest(encoded).hex()
        yield {"name": name, "entries": node, "encoded": encoded.hex(), "id": id_}


def record_vector(record):
    encoded = kf.encode_record(record)
    return {"encoded": encoded.hex(), "key": kf.key_of(encoded).hex()}


def record_vectors():
    for name, components in RECORDS.items():
        nodes = [[kind, kf.write_value(n), kf.write_value(v)] for kind, n, v in components]
        record = kf.make_record(components)
        yield {"name": name, "components": nodes} | record_vector(record)


def action_vectors():
    for name, node in ACTIONS.items():
        record = kf.action_record(kf.read_action(node))
        yield {"name": name, "action": node} | record_vector(record)


def path_vectors():
    cases = [(declared, directory, "/home/me/proj") for declared, directory in PATHS]
    cases += [("../a", "", "/"), ("/a", "", "/"), ("..", "", "/"), ("a", "b", "/r")]
    for declared, directory, root in cases:
        declared = declared if isinstance(declared, bytes) else declared.encode()
        inside, name = kf.clean_path(declared, directory.encode(), root.encode())
        yield {
            "declared": kf.write_bytes(declared),
            "dir": directory,
            "root": root,
            "inside": inside,
            "name": kf.write_bytes(name),
        }


def blob_vectors():
    for content in [b"", b"a", b"hello world\n", bytes(1024), bytes(1025), bytes(100_000)]:
        long = len(content) > 100
        node = {"repeat": [content[:1].hex(), len(content)]} if long else content.hex()
        yield {"content": node, "digest": kf.blob_digest(content).hex()}


def main():
    vectors = {
        "about": "Test vectors of the ibid key format; the notation is in key-format.md",
        "version": "ibid action v1",
        "values": list(value_vectors()),
        "refused_values": list(refused(REFUSED_VALUES, kf.decode)),
        "blobs": list(blob_vectors()),
        "contents": list(content_vectors()),
        "refused_contents": list(
            refused(REFUSED_CONTENTS, lambda data: kf.check_content(kf.decode(data)))
        ),
        "trees": list(tree_vectors()),
        "refused_trees": list(
            refused(REFUSED_TREES, lambda data: kf.check_listing(kf.decode(data)))
        ),
        "records": list(record_vectors()),
        "refused_records": list(refused(REFUSED_RECORDS, kf.decode_record)),
        "actions": list(action_vectors()),
        "paths": list(path_vectors()),
    }
    lines = []
    for section, content in vectors.items():
        if isinstance(content, list):
            rows = ",\n".join("    " + json.dumps(row) for row in content)
            lines.append(f"  {json.dumps(section)}: [\n{rows}\n  ]")
        else:
            lines.append(f"  {json.dumps(section)}: {json.dumps(content)}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    OUT.write_text(text)
    counts = {name: len(rows) for name, rows in vectors.items() if isinstance(rows, list)}
    print(sum(counts.values()), "vectors:", counts, file=sys.stderr)


if __name__ == "__main__":
    main()
