"""``suggest ui`` as browsers and others ask it."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import yaml

from suggestion.artifacts import keeper, places
from suggestion.controller import objectives
from suggestion.controller.commands import Changes
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition
from suggestion.controller.workspace import artifacts_folder
from suggestion.views.web import detail
from suggestion.views.web.app import application
from tests.web.support import Page, experiment, message, serving, store, trial


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("page") / "runs"
    store(root / "one", experiment("one"), [trial(0, 0.123456789), trial(1, None)])
    output = root / "one" / "trials" / "study-00000000" / "output-1.log"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"first\n\x1b[31mloss=0.5\x1b[0m\n\xff\xe2\x82\xac\n")
    (output.parent / "model").mkdir()
    (output.parent / "model" / "weights.bin").write_bytes(b"1234")
    (output.parent / "link").symlink_to("/etc/passwd")
    other = root / "one" / "trials" / "study-00000001" / "output-1.log"
    other.parent.mkdir()
    other.symlink_to("/etc/passwd")
    (root / "one" / "servers").mkdir()
    (root / "one" / "servers" / "suggestion.log").write_text("ready\n")
    store(root / "group" / "two", experiment("two"), [])
    (root / "broken").mkdir()
    (root / "broken" / "state.db").write_text("no database at all, and long enough for a header")
    outside = store(root.parent / "outside", experiment("outside"), [])
    (root / "link").symlink_to(outside)
    return root


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    with serving(folder) as made:
        yield made


def test_the_list_has_what_is_below_the_folder_and_nothing_else(page: Page) -> None:
    listed = {entry["name"]: entry for entry in page.get("api/experiments").json["experiments"]}
    assert set(listed) == {"one", "two", "broken"}
    one = listed["one"]
    assert (one["best"], one["ended"], one["failed"], one["limit"]) == ("0.123456789", 2, 1, 4)
    assert one["place"] == "runs/one"
    assert not one["runs"]
    assert "not a database" in listed["broken"]["error"]


def test_one_experiment(page: Page) -> None:
    one = page.get(f"api/experiments/{page.identifier('one')}").json
    assert [t["metrics"] for t in one["trials"]] == [["0.123456789"], [""]]
    assert one["place"] == "runs/one"
    assert one["curves"] == {"0": [[1, 9.5], [2, 0.123456789]]}


def test_files(page: Page) -> None:
    one = f"api/experiments/{page.identifier('one')}"
    rows = list(csv.DictReader(io.StringIO(page.get(f"{one}/trials.csv").body.decode())))
    assert [row["loss"] for row in rows] == ["0.123456789", ""]
    assert yaml.safe_load(page.get(f"{one}/experiment.yaml").body)["metadata"]["name"] == "one"
    assert page.get(f"{one}/servers").json == {
        "servers": [{"name": "suggestion", "text": "ready\n"}]
    }
    assert "at least 10 trials" in page.get(f"{one}/importance").json["error"]


def test_a_trial(page: Page) -> None:
    one = f"api/experiments/{page.identifier('one')}/trials"
    found = page.get(f"{one}/0").json
    assert found["command"] == "/bin/sh -c 'echo 0.01234567 a'"
    assert {entry["path"]: entry["bytes"] for entry in found["files"]}["model/weights.bin"] == 4
    printed = page.get(f"{one}/0/output").json
    assert printed["text"] == "first\nloss=0.5\n\ufffd€\n"
    assert page.get(f"{one}/0/output?after=6").json["text"].startswith("loss=0.5")
    assert page.get(f"{one}/0/output?after={printed['end']}").json["text"] == ""


@pytest.mark.parametrize("fsspec", [False, True])
def test_artifacts_are_listed_and_downloaded(tmp_path: Path, fsspec: bool) -> None:
    """Whichever store they are in; what is damaged is no download."""
    url = (tmp_path / "store").as_uri() if fsspec else None
    one = trial(0, 0.5)
    made = store(tmp_path / "runs" / "one", experiment("one"), [one])
    left = artifacts_folder(made / "trials" / one.name, 1)
    names = ["model/weights.bin", "r\u00e9sum\u00e9 <b>.txt", "..\u2215x\n"]
    for name in names:
        (left / name).parent.mkdir(parents=True, exist_ok=True)
        (left / name).write_bytes(name.encode() * 1000)
    place = places.place(made, url)
    keeper.Keeper(made, place, objectives.read(experiment("one").document)).keep([one], print)
    (made / "trials" / one.name / b"\xff.txt".decode("utf-8", "surrogateescape")).touch()
    with serving(tmp_path / "runs") as page:
        path = f"api/experiments/{page.identifier('one')}/trials/0"
        found = page.get(path).json
        assert found["files"] == [{"path": "\ufffd.txt", "bytes": 0}]
        assert page.get(f"{path}/files?{urlencode({'path': chr(0xFFFD) + '.txt'})}").status == 200
        assert {entry["path"] for entry in found["artifacts"]} == set(names)
        for entry in found["artifacts"]:
            answer = page.get(f"{path}/artifacts?{urlencode({'path': entry['path']})}")
            assert (answer.status, answer.body) == (200, entry["path"].encode() * 1000)
            assert hashlib.sha256(answer.body).hexdigest() == entry["sha256"]
            assert answer.headers["Content-Length"] == str(entry["bytes"])
            assert answer.headers["Content-Type"] == "application/octet-stream"
            name = quote(entry["path"].rpartition("/")[2], safe="")
            disposition = answer.headers["Content-Disposition"]
            assert disposition == f"attachment; filename*=UTF-8''{name}"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for digest in place.every():
            (content,) = tmp_path.rglob(digest)
            content.write_bytes(b"damaged")
        answer = page.get(f"{path}/artifacts?path=model/weights.bin")
        assert answer.status == 503
        assert "the content is damaged" in answer.json["error"]
        assert page.get(f"{path}/artifacts?path=model/weights.bin", {"Cookie": ""}).status == 401


@pytest.mark.parametrize(
    ("kind", "path", "status"),
    [
        ("files", "model/weights.bin", 200),
        ("files", "link", 503),
        ("files", "../../state.db", 404),
        ("files", "/etc/passwd", 404),
        ("files", "", 404),
        ("artifacts", "../../../artifacts/trials/x.json", 404),
        ("artifacts", "\0", 404),
    ],
)
def test_no_download_leads_out_of_a_trial(page: Page, kind: str, path: str, status: int) -> None:
    one = f"api/experiments/{page.identifier('one')}/trials/0/{kind}"
    answer = page.get(f"{one}?{urlencode({'path': path})}")
    assert answer.status == status
    assert answer.body == b"1234" if status == 200 else b"root:" not in answer.body


def test_a_part_of_an_output_that_is_not_kept(tmp_path: Path) -> None:
    """It reads as zeros; a page that comes to it is told so."""
    one = trial(0, 0.5, cut=(8, 4096))
    made = store(tmp_path / "one", experiment("one"), [one])
    output = made / "trials" / one.name / "output-1.log"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"begins\n\n" + bytes(4088) + b"\nends\n")
    first = detail.output(made, one, 0)
    assert (first["text"], first["end"]) == ("begins\n\n", 8)
    then = detail.output(made, one, 8)
    assert (then["text"], then["begin"]) == ("\n[... 4088 bytes are not kept ...]\n\nends\n", 4096)


def test_the_command_of_a_trial_has_its_own_checkpoints(tmp_path: Path) -> None:
    settings = [{"name": "suggestion_trial_dir", "value": "/checkpoints"}]
    template = {"command": ["train", "--dir=/checkpoints"]}
    algorithm = {"algorithmName": "pbt", "algorithmSettings": settings}
    made = experiment("one", algorithm=algorithm, trialTemplate=template)
    (tmp_path / "checkpoints").mkdir()
    one = trial(0, 0.5)
    command = detail.command(tmp_path, made, one)
    assert command == f"train --dir={tmp_path / 'checkpoints' / 'one' / one.name}"


def test_a_trial_cannot_make_the_page_show_other_files(page: Page) -> None:
    one = f"api/experiments/{page.identifier('one')}/trials"
    printed = page.get(f"{one}/1/output").json
    assert printed["text"] == ""
    assert "link out of it" in printed["error"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("api/experiments/nobody", "there is no such experiment"),
        ("api/experiments/..%2F..%2Foutside", "Not Found"),
        ("api/experiments/%2Fetc", "Not Found"),
        ("api/experiments/nobody/changes", "there is no such experiment"),
        ("static/../../x", "Not Found"),
        ("api/experiments/{one}/trials/99", "there is no trial 99"),
        ("api/experiments/{one}/trials/-1", "Not Found"),
        ("api/experiments/{one}/trials/99999999999999999999", "there is no trial 2147483648"),
    ],
)
def test_what_is_not_there(page: Page, path: str, said: str) -> None:
    answer = page.get(path.format(one=page.identifier("one")))
    assert (answer.status, answer.json) == (404, {"error": said})


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "example.com"}, "Host: must be one of"),
        ({"Host": "127.0.0.1.example.com:80"}, "Host: must be one of"),
        ({"Origin": "http://example.com"}, "Origin: must be"),
        ({"Origin": "null"}, "Origin: must be"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, "Sec-Fetch-Site: must be"),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, "Sec-Fetch-Site: must be"),
    ],
)
def test_other_sites_are_refused(page: Page, headers: dict[str, str], why: str) -> None:
    answer = page.get("api/experiments", headers)
    assert answer.status == 403
    assert answer.body.decode().startswith(why)


@pytest.mark.parametrize(
    ("headers", "status", "why"),
    [
        ({"Origin": "http://example.com"}, 403, "Origin: must be"),
        ({"Origin": ""}, 403, "Origin: must be"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site: must be"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "Sec-Fetch-Site: must be"),
        ({"Content-Type": "text/plain"}, 403, "Content-Type: must be application/json"),
        ({"Cookie": ""}, 401, "The address that"),
    ],
)
def test_other_sites_cannot_ask_for_anything(
    page: Page, folder: Path, headers: dict[str, str], status: int, why: str
) -> None:
    one = page.identifier("one")
    answer = page.post(f"api/experiments/{one}/requests", {"action": "pause"}, headers)
    assert (answer.status, answer.body.decode()[: len(why)]) == (status, why)
    opened = Store(folder / "one")
    try:
        assert opened.requests() == []
    finally:
        opened.close()


def test_requests_without_an_origin_are_refused(page: Page) -> None:
    one = page.identifier("one")
    request = page.request(f"api/experiments/{one}/requests", {"Content-Type": "application/json"})
    request.data = b'{"action": "pause"}'
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=180)


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        ({"action": "pause"}, 409, "nobody runs the experiment; run the same command to resume it"),
        ({"action": "stop", "trial": 0}, 409, "nobody runs the experiment"),
        ({"action": "stop", "trial": "x"}, 409, "trial: must be the number of a trial, got 'x'"),
        ({"action": "dance"}, 409, "action: must be one of stop, enqueue, set, pause, resume"),
        ({"action": "pause", "more": 1}, 409, "action 'pause': its fields must be none, got {"),
        ({"action": "set"}, 409, "nothing to change"),
        ({"action": "set", "trials": 0}, 409, "maxTrialCount: must be a whole number from 1 to"),
        ({"action": "set", "trials": True}, 409, "maxTrialCount: must be a whole number from 1"),
        ({"action": "enqueue", "assignment": {"lr": 1}}, 409, "assignment: must be an object of"),
        ({"action": "enqueue", "assignment": {"lr": "9"}}, 409, "parameter 'lr': must be a number"),
        ([], 400, "content: must be a JSON object"),
        (b"{", 400, "content: must be JSON"),
        (b"[" * 100_000, 400, "content: must be JSON"),
        (b" " * 300_000, 413, "content: must have at most"),
    ],
)
def test_what_cannot_be_asked_for(page: Page, content: Any, status: int, why: str) -> None:
    answer = page.post(f"api/experiments/{page.identifier('one')}/requests", content)
    assert answer.status == status
    assert answer.json["error"].startswith(why)


def test_a_point_is_looked_at_while_it_is_typed(page: Page) -> None:
    path = f"api/experiments/{page.identifier('one')}/point"
    found = page.post(path, {"assignment": {"lr": "0.5", "kind": "c"}}).json
    assert found == {"inactive": [], "errors": {"kind": "must be one of a, b, got 'c'"}}


def test_the_page_itself(page: Page) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = page.get("", link)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert page.get("app.js").headers["Content-Type"].startswith("text/javascript")
    own = {"Origin": page.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert page.get("api/experiments", own).status == 200


def test_a_token_is_needed(folder: Path) -> None:
    app = application([folder], None, "secret", "suggest-80")

    def get(path: str, query: str = "", **headers: str) -> tuple[int, dict[str, str]]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": b"",
            "query_string": query.encode(), "root_path": "", "scheme": "http",
            "server": ("10.0.0.1", 80), "client": ("10.0.0.2", 999),
            "headers": [(b"host", b"10.0.0.1")]
            + [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        asyncio.run(app(scope, receive, send))
        return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}

    assert get("/")[0] == 401
    assert get("/app.js")[0] == 401
    assert get("/", "token=secres")[0] == 401
    assert get("/api/experiments", "token=secret")[0] == 401
    status, headers = get("/", "token=secret")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=lax" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    assert get("/", cookie=cookie)[0] == 200
    assert get("/api/experiments", cookie=cookie)[0] == 200
    assert get("/api/experiments", cookie=cookie, origin="http://example.com")[0] == 403
    assert get("/", cookie="suggest-80=wrong")[0] == 401


def test_without_the_token_nothing_is_shown(page: Page) -> None:
    """Every user of this machine can reach the server."""
    assert page.get("", {"Cookie": ""}).status == 401
    assert page.get("api/experiments", {"Cookie": page.cookie + "x"}).status == 401


def test_changes_come_as_they_are_written(page: Page, folder: Path) -> None:
    made = store(folder / "live", experiment("live"), [trial(0, 0.5)])
    writer = Store(made, create=True)
    path = f"api/experiments/{page.identifier('live')}/changes"
    try:
        with page.stream(path) as stream:
            kind, everything = message(stream)
            assert (kind, len(everything["trials"])) == ("everything", 1)
            begun = trial(1, None, condition=Condition.RUNNING, completed="")
            writer.commit(Changes(trials=(begun,)))
            kind, changes = message(stream)
            assert kind == "changes"
            assert [(t["number"], t["condition"]) for t in changes["trials"]] == [(1, "Running")]
            # A fresh start puts another experiment in its place.
            for file in made.glob("state.db*"):
                file.rename(file.with_name(f"earlier-{file.name}"))
            writer.close()
            writer = Store(made, create=True)
            writer.save_experiment(experiment("live"))
            # Between two of these steps it may be read as it is no more.
            for _ in range(100):
                kind, everything = message(stream)
                if kind == "everything" and everything["trials"] == []:
                    break
            else:
                pytest.fail(f"still {kind}: {everything}")
    finally:
        writer.close()


def test_an_address_that_is_taken(page: Page, folder: Path) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    from suggestion.cli.main import main  # noqa: PLC0415

    address = page.url.removeprefix("http://").rstrip("/")
    done = CliRunner().invoke(main, ["ui", str(folder), "--address", address])
    assert done.exit_code == 1
    assert f"cannot listen on {address}" in done.output


def test_a_folder_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "output-1.log").write_text("secret")
    (outside / "random.log").write_text("secret")
    made = store(tmp_path / "runs" / "one", experiment("one"), [trial(0, 0.5)])
    (made / "trials").mkdir(exist_ok=True)
    (made / "trials" / trial(0, 0.5).name).symlink_to(outside)
    (made / "servers").symlink_to(outside)
    store(tmp_path / "elsewhere", experiment("elsewhere"), [])
    linked = tmp_path / "runs" / "linked"
    linked.mkdir()
    (linked / "state.db").symlink_to(tmp_path / "elsewhere" / "state.db")
    with serving(tmp_path / "runs") as page:
        one = f"api/experiments/{page.identifier('one')}"
        assert page.get(f"{one}/trials/0").json["files"] == []
        assert page.get(f"{one}/trials/0/output").json["text"] == ""
        assert page.get(f"{one}/servers").json == {"servers": []}
        assert len(page.get("api/experiments").json["experiments"]) == 1


def test_it_ends_while_somebody_looks(tmp_path: Path) -> None:
    """In good order, though a browser waits for changes; `serving` looks at what it says."""
    store(tmp_path / "one", experiment("one"), [trial(0, 0.5)])
    with serving(tmp_path) as page:
        stream = page.stream(f"api/experiments/{page.identifier('one')}/changes")
        assert message(stream)[0] == "everything"
    stream.close()


def test_everybody_who_looks_is_told_of_trouble(tmp_path: Path) -> None:
    made = store(tmp_path / "one", experiment("one"), [trial(0, 0.5)])
    with serving(tmp_path) as page:
        path = f"api/experiments/{page.identifier('one')}/changes"
        for file in made.glob("state.db*"):
            file.write_bytes(b"damaged" * 1000)
        with page.stream(path) as first, page.stream(path) as second:
            assert message(first)[0] == message(second)[0] == "trouble"
