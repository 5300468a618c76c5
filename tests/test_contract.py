"""The generated stubs are the published contract, and come from proto/api.proto."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from suggestion.api.v1beta1 import api_pb2 as api

ROOT = Path(__file__).resolve().parent.parent
FACTS = json.loads((ROOT / "tests" / "data" / "api_contract.json").read_text())
PREFIX = FACTS["package"] + "."
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_DOUBLE: "double",
}


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_name[n] for n in ("key", "value"))
            return f"map<{_type(key)},{_type(value)}>"
        return field.message_type.full_name.removeprefix(PREFIX)
    if field.enum_type is not None:
        return field.enum_type.full_name.removeprefix(PREFIX)
    return SCALARS[field.type]


def _messages(found: list[Descriptor]) -> list[Descriptor]:
    nested = [n for m in found for n in m.nested_types if not n.GetOptions().map_entry]
    return [*found, *_messages(nested)] if found else []


def _facts_of_stubs() -> dict[str, object]:
    file = api.DESCRIPTOR
    messages = _messages(list(file.message_types_by_name.values()))
    enums = [*file.enum_types_by_name.values(), *(e for m in messages for e in m.enum_types)]
    return {
        "package": file.package,
        "services": {
            s.name: {
                m.name: [
                    m.input_type.full_name.removeprefix(PREFIX),
                    m.output_type.full_name.removeprefix(PREFIX),
                ]
                for m in s.methods
            }
            for s in file.services_by_name.values()
        },
        "messages": {
            m.full_name.removeprefix(PREFIX): [
                {
                    "name": f.name,
                    "number": f.number,
                    "type": _type(f),
                    "repeated": f.is_repeated and not _type(f).startswith("map<"),
                }
                for f in sorted(m.fields, key=lambda f: f.number)
            ]
            for m in messages
        },
        "enums": {
            e.full_name.removeprefix(PREFIX): {v.name: v.number for v in e.values} for e in enums
        },
    }


def test_stubs_are_the_contract() -> None:
    assert _facts_of_stubs() == FACTS


def test_stubs_are_what_the_proto_generates(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_stubs.py"), str(tmp_path)], check=True
    )
    generated = sorted((tmp_path / "suggestion" / "api" / "v1beta1").iterdir())
    assert [f.name for f in generated] == ["api_pb2.py", "api_pb2.pyi", "api_pb2_grpc.py"]
    for file in generated:
        committed = ROOT / "suggestion" / "api" / "v1beta1" / file.name
        assert file.read_text() == committed.read_text(), f"run make stubs: {file.name} differs"
