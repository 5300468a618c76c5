"""Show a failure: request, reply and rule, so that the call can be repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.check import Call, Result

#: Number of a request's trials that are shown; files hold all of them.
_SHOWN: Final = 5


def replayable(call: Call) -> dict[str, Any]:
    """Return the request in protobuf's JSON form; if it is about an experiment, as `suggest ask`
    reads it.

    `suggest ask` validates the experiment first, so a validation becomes a request for one
    suggestion.
    """
    request: Message = call.request
    if isinstance(request, pb.ValidateAlgorithmSettingsRequest):
        request = pb.GetSuggestionsRequest(
            experiment=request.experiment, current_request_number=1, total_request_number=1
        )
    return _plain(request)


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = json_format.MessageToDict(message)
    return plain


def answer(call: Call, indent: int | None = 1) -> str:
    """Return the reply as JSON, or the status."""
    if call.reply is None:
        return call.status
    return json.dumps(_plain(call.reply), indent=indent, ensure_ascii=False)


def brief(call: Call, longest: int = 8000) -> str:
    """Return request and reply for a person, each in one line.

    Args:
        longest: Largest number of characters of the request; longer ones are cut.
    """
    request = replayable(call)
    trials = request.get("trials", [])
    text = json.dumps(request, ensure_ascii=False)
    cut = ""
    if len(text) > longest and len(trials) > _SHOWN:
        request["trials"] = trials[:_SHOWN]
        text = json.dumps(request, ensure_ascii=False)
        cut = f" (the first {_SHOWN} of {len(trials)} trials; --evidence DIR writes all)"
    return "\n".join(
        (
            f"request of {call.method}{cut}:",
            _cut(text, longest),
            f"reply, after {call.seconds * 1e3:.0f} ms:",
            _cut(answer(call, indent=None), longest // 4),
        )
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def write(result: Result, folder: Path) -> None:
    """Write ``rule.txt``, ``request.json`` and ``reply.txt`` in a folder named by the
    check's id.
    """
    place = folder / result.check.id
    place.mkdir(parents=True, exist_ok=True)
    (place / "rule.txt").write_text(f"{result.check.sentence}\n\n{result.reason}\n", "utf-8")
    if result.call is not None:
        request = json.dumps(replayable(result.call), indent=1, ensure_ascii=False)
        (place / "request.json").write_text(request + "\n", "utf-8")
        (place / "reply.txt").write_text(answer(result.call) + "\n", "utf-8")
