"""The key format, written a second time from its specification.

Uses `cbor2` for items and `blake3` for hashes, and nothing of ibid. Values are Python's own:
None, bool, int, float, bytes, str, list and dict.
"""

import io
import math
import sys

import blake3
import cbor2

# Python refuses to print integers of more than 4300 digits, the format goes to about 9,800.
sys.set_int_max_str_digits(20_000)

MAX_DEPTH = 64
MAX_INTEGER_BYTES = 4096
MAX_TREE_DEPTH = 1024
KEY_CONTEXT = "ibid action v1"
KINDS = set(
    "code command env image implied input output packages param platform salt spec stdin tool"
    " version versions_from".split()
)


class Refused(Exception):
    """Bytes or values outside the format."""


def _ordered(value, depth=MAX_DEPTH):
    """Checks that `value` is in the subset and puts its maps in canonical order."""
    if isinstance(value, (list, dict)) and depth == 0:
        raise Refused("nested too deeply")
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, str):
        value.encode()
        return value
    if isinstance(value, int):
        magnitude = value if value >= 0 else -1 - value
        if magnitude.bit_length() > 8 * MAX_INTEGER_BYTES:
            raise Refused("integer too long")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("float that is not finite")
        return value
    if isinstance(value, list):
        return [_ordered(item, depth - 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise Refused("map key that is not text")
        pairs = sorted(value.items(), key=lambda pair: cbor2.dumps(pair[0]))
        return {key: _ordered(item, depth - 1) for key, item in pairs}
    raise Refused(f"{type(value).__name__} is outside the subset")


def encode(value):
    """Encodes a value. `cbor2` writes shortest integers and 64-bit floats by itself."""
    return cbor2.dumps(_ordered(value))


def decode(data, check=_ordered):
    """Decodes one value, and refuses whatever does not encode to the same bytes again."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
        again = cbor2.dumps(check(value))
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError) as error:
        raise Refused(str(error)) from error
    if again != data:
        raise Refused("not the canonical encoding")
    return value


def blob_digest(content):
    return blake3.blake3(content).digest()


def key_of(encoded_record):
    return blake3.blake3(encoded_record, derive_key_context=KEY_CONTEXT).digest()


# Contents and trees.


def _expect(condition, problem):
    if not condition:
        raise Refused(problem)


def _is_digest(value):
    return isinstance(value, bytes) and len(value) == 32


def _is_link_text(value):
    return isinstance(value, bytes) and value != b"" and b"\0" not in value


def check_content(value, links=True):
    _expect(isinstance(value, list) and len(value) == 3, "content")
    kind, second, third = value
    if kind == "link" and links:
        _expect(isinstance(second, list) and second, "link texts")
        _expect(all(map(_is_link_text, second)), "link text")
        check_content(third, links=False)
    else:
        _expect(kind in ("file", "tree"), "kind of content")
        _expect(isinstance(second, bool) and not (kind == "tree" and second), "executable bit")
        _expect(_is_digest(third), "digest")


def check_entry(entry):
    _expect(isinstance(entry, list) and entry, "entry")
    kind, rest = entry[0], entry[1:]
    if kind == "dir":
        _expect(not rest, "directory")
    elif kind == "link":
        _expect(len(rest) == 1 and _is_link_text(rest[0]), "link")
    elif kind == "link-out":
        _expect(len(rest) == 2 and _is_link_text(rest[0]), "link that leaves")
        check_content(rest[1])
    elif kind == "file":
        _expect(len(rest) == 3 and isinstance(rest[0], bool), "file")
        size = rest[1]
        _expect(type(size) is int and 0 <= size < 2**64 and _is_digest(rest[2]), "file")
    else:
        raise Refused("kind of entry")


def check_listing(listing):
    _expect(isinstance(listing, list), "listing")
    dirs, last = {b""}, b""
    for pair in listing:
        _expect(isinstance(pair, list) and len(pair) == 2, "pair")
        path, entry = pair
        _expect(isinstance(path, bytes) and path > last, "order of paths")
        names = path.split(b"/")
        _expect(all(n not in (b"", b".", b"..") and b"\0" not in n for n in names), "path")
        _expect(len(names) <= MAX_TREE_DEPTH, "depth")
        _expect(b"/".join(names[:-1]) in dirs, "orphan")
        check_entry(entry)
        last = path
        if entry == ["dir"]:
            dirs.add(path)


def make_listing(entries):
    """Sorts `[path, entry]` pairs and adds the directories above them."""
    listing = {path: entry for path, entry in entries}
    for path in list(listing):
        names = path.split(b"/")
        for end in range(1, len(names)):
            listing.setdefault(b"/".join(names[:end]), ["dir"])
    listing = [[path, listing[path]] for path in sorted(listing)]
    check_listing(listing)
    return listing


# Records.


def _component_order(component):
    return cbor2.dumps(component[0]) + cbor2.dumps(component[1])


def make_record(components):
    return sorted(components, key=_component_order)


def check_record(record):
    _expect(isinstance(record, list), "record")
    last = b""
    for component in record:
        _expect(isinstance(component, list) and len(component) == 3, "component")
        kind, name, value = component
        _expect(kind in KINDS, "kind of component")
        index = type(name) is int and 0 <= name < 2**64
        _expect(index or isinstance(name, (bytes, str)), "name of component")
        order = _component_order(component)
        _expect(order > last, "order of components")
        last = order
    return [[kind, name, _ordered(value)] for kind, name, value in record]


def encode_record(record):
    return cbor2.dumps(check_record(record))


def decode_record(data):
    return decode(data, check_record)


# Actions, as the vectors describe them.


def _word(word):
    if isinstance(word, bytes):
        return word
    joined = []
    for segment in word:
        if isinstance(segment, int):
            joined.append(segment)
        elif joined and isinstance(joined[-1], bytes):
            joined[-1] += segment
        elif segment:
            joined.append(segment)
    if not joined:
        return b""
    if len(joined) == 1 and isinstance(joined[0], bytes):
        return joined[0]
    return joined


def _outputs(outputs):
    merged = {}
    for kind, name, optional, *keep in outputs:
        before = merged.get(name)
        if before:
            kind = "dir" if "dir" in (kind, before[0]) else kind
            optional = optional and before[1]
            keep = keep or before[2:]
        merged[name] = [kind, optional, *keep]
    return [["output", name, demand] for name, demand in merged.items()]


def action_record(action):
    """Makes the components of an action whose parts are values of the right types already."""
    components = [
        ["command", "dir", action["dir"]],
        ["command", "env_mode", action["env_mode"]],
        ["platform", "", action["platform"]],
    ]
    if "argv" in action:
        components.append(["command", "argv", [_word(word) for word in action["argv"]]])
    elif "call" in action:
        components.append(["command", "call", action["call"]])
    else:
        interpreter, script = action["shell"]
        components.append(["command", "shell", [interpreter, _word(script)]])
    named = {
        "tool": "tools",
        "code": "code",
        "implied": "implied",
        "packages": "packages",
        "input": "inputs",
        "param": "params",
        "env": "env",
        "version": "versions",
        "versions_from": "versions_from",
        "salt": "salts",
    }
    for kind, field in named.items():
        components += [[kind, name, value] for name, value in action.get(field, [])]
    for kind, field in {"input": "inputs_by_content", "spec": "specs"}.items():
        components += [[kind, i, value] for i, value in enumerate(action.get(field, []))]
    if "stdin" in action:
        components.append(["stdin", "", action["stdin"]])
    components += _outputs(action.get("outputs", []))
    return make_record(components)


# Paths.


def clean_path(declared, directory, root):
    """Returns (inside, name) of a declared path; all three are bytes, `root` absolute and clean."""
    if b"\0" in declared:
        return False, declared
    root_names = [name for name in root.split(b"/") if name]
    absolute = declared.startswith(b"/")
    start = [] if absolute else root_names + [name for name in directory.split(b"/") if name]
    lowest, full = len(start), list(start)
    for name in declared.split(b"/"):
        if name in (b"", b"."):
            continue
        if name == b"..":
            if full:
                full.pop()
            lowest = min(lowest, len(full))
        else:
            full.append(name)
    depth = len(root_names)
    if full[:depth] == root_names:
        return True, b"/".join(full[depth:])
    if absolute:
        return False, b"/" + b"/".join(full)
    return False, b"/".join([b".."] * (depth - lowest) + full[lowest:])


# The notation of the vectors (described in the specification).


def read_bytes(text):
    """A byte string: JSON text stands for its UTF-8, `{"hex": …}` for anything."""
    return bytes.fromhex(text["hex"]) if isinstance(text, dict) else text.encode()


def write_bytes(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def read_value(node):
    if node is None or isinstance(node, bool):
        return node
    if isinstance(node, list):
        return [read_value(item) for item in node]
    [(kind, content)] = node.items()
    if kind == "int":
        return int(content)
    if kind == "float":
        return cbor2.loads(b"\xfb" + bytes.fromhex(content))
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "text":
        return content
    if kind == "map":
        return {key: read_value(value) for key, value in content}
    raise ValueError(f"unknown notation {kind!r}")


def write_value(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": cbor2.dumps(value)[1:].hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, list):
        return [write_value(item) for item in value]
    return {"map": [[key, write_value(item)] for key, item in value.items()]}


def read_content(node):
    """`{"file": [executable, digest]}`, `{"tree": digest}` or `{"link": [texts, content]}`."""
    [(kind, content)] = node.items()
    if kind == "file":
        return ["file", content[0], bytes.fromhex(content[1])]
    if kind == "tree":
        return ["tree", False, bytes.fromhex(content)]
    texts, target = content
    return ["link", [read_bytes(text) for text in texts], read_content(target)]


def read_entry(node):
    """`"dir"`, `{"file": [executable, size, digest]}`, `{"link": text}` or
    `{"link-out": [text, content]}`."""
    if node == "dir":
        return ["dir"]
    [(kind, content)] = node.items()
    if kind == "file":
        return ["file", content[0], content[1], bytes.fromhex(content[2])]
    if kind == "link":
        return ["link", read_bytes(content)]
    return ["link-out", read_bytes(content[0]), read_content(content[1])]


def read_entries(node):
    return [[read_bytes(path), read_entry(entry)] for path, entry in node]


def read_component(node):
    kind, name, value = node
    return [kind, read_value(name), read_value(value)]


def read_action(node):
    def pairs(field, name, value):
        return [[name(n), value(v)] for n, v in node.get(field, [])]

    def same(node):
        return node

    def word(node):
        if isinstance(node, list):
            return [part if isinstance(part, int) else read_bytes(part) for part in node]
        return read_bytes(node)

    def optional_bytes(node):
        return None if node is None else read_bytes(node)

    action = {
        "dir": read_bytes(node["dir"]),
        "env_mode": node["env_mode"],
        "platform": node["platform"],
        "tools": pairs("tools", read_bytes, bytes.fromhex),
        "code": pairs("code", read_bytes, read_content),
        "implied": pairs("implied", read_bytes, read_content),
        "packages": pairs("packages", same, read_value),
        "inputs": pairs("inputs", read_bytes, read_content),
        "inputs_by_content": [read_content(c) for c in node.get("inputs_by_content", [])],
        "params": pairs("params", same, read_value),
        "specs": [read_value(spec) for spec in node.get("specs", [])],
        "env": pairs("env", same, optional_bytes),
        "versions": pairs("versions", same, same),
        "versions_from": pairs("versions_from", same, read_bytes),
        "salts": pairs("salts", same, same),
        "outputs": [
            [kind, name if kind == "glob" else read_bytes(name), *rest]
            for kind, name, *rest in node.get("outputs", [])
        ],
    }
    if "argv" in node:
        action["argv"] = [word(w) for w in node["argv"]]
    elif "call" in node:
        action["call"] = node["call"]
    else:
        interpreter, script = node["shell"]
        action["shell"] = [[read_bytes(w) for w in interpreter], word(script)]
    if "stdin" in node:
        action["stdin"] = bytes.fromhex(node["stdin"])
    return action
