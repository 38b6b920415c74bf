"""Checks docs/reference/vectors/key-format.json with `cbor2` and `blake3`, without ibid.

Exits 0 if every vector holds, 1 with a line for each that does not.
"""

import json
import sys
from pathlib import Path

import key_format as kf

VECTORS = Path(__file__).parents[2] / "docs/reference/vectors/key-format.json"
FEWEST = 200


def check_value(row):
    encoded = bytes.fromhex(row["encoded"])
    assert kf.encode(kf.read_value(row["value"])) == encoded
    assert kf.encode(kf.decode(encoded)) == encoded


def check_blob(row):
    content = row["content"]
    if isinstance(content, dict):
        byte, count = content["repeat"]
        content = byte * count
    assert kf.blob_digest(bytes.fromhex(content)).hex() == row["digest"]


def check_content(row):
    encoded = bytes.fromhex(row["encoded"])
    assert kf.encode(kf.read_content(row["content"])) == encoded
    kf.check_content(kf.decode(encoded))


def check_tree(row):
    encoded = bytes.fromhex(row["encoded"])
    assert kf.encode(kf.make_listing(kf.read_entries(row["entries"]))) == encoded
    assert kf.blob_digest(encoded).hex() == row["id"]
    kf.check_listing(kf.decode(encoded))


def check_record(row):
    if "action" in row:
        record = kf.action_record(kf.read_action(row["action"]))
    else:
        record = kf.make_record([kf.read_component(c) for c in row["components"]])
    encoded = bytes.fromhex(row["encoded"])
    assert kf.encode_record(record) == encoded
    assert kf.key_of(encoded).hex() == row["key"]
    kf.decode_record(encoded)


def check_path(row):
    declared, directory, root = (kf.read_bytes(row[name]) for name in ("declared", "dir", "root"))
    expected = (row["inside"], kf.read_bytes(row["name"]))
    assert kf.clean_path(declared, directory, root) == expected


def refuses(decode):
    def check(row):
        try:
            decode(bytes.fromhex(row["encoded"]))
        except kf.Refused:
            return
        raise AssertionError("accepted")

    return check


CHECKS = {
    "values": check_value,
    "refused_values": refuses(kf.decode),
    "blobs": check_blob,
    "contents": check_content,
    "refused_contents": refuses(lambda data: kf.check_content(kf.decode(data))),
    "trees": check_tree,
    "refused_trees": refuses(lambda data: kf.check_listing(kf.decode(data))),
    "records": check_record,
    "refused_records": refuses(kf.decode_record),
    "actions": check_record,
    "paths": check_path,
}


def main():
    vectors = json.loads(VECTORS.read_text())
    sections = {name: rows for name, rows in vectors.items() if isinstance(rows, list)}
    failures, count = [], 0
    if sections.keys() != CHECKS.keys():
        failures.append(f"sections: {sorted(sections.keys() ^ CHECKS.keys())}")
    for section, check in CHECKS.items():
        for row in sections.get(section, []):
            count += 1
            try:
                check(row)
            except Exception as error:  # every failure is listed, whatever it is
                name = row.get("name", row.get("declared"))
                failures.append(f"{section}: {name!r}: {type(error).__name__} {error}")
    if count < FEWEST:
        failures.append(f"only {count} vectors")
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    print(f"{count} vectors checked, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
