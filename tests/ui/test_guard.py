"""Strangers get what the page needs and nothing else, each refusal in a sentence."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from own_loop import run_apart
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from flashtalk.ui import bodies
from flashtalk.ui.guard import Guard, Rates

FAR = ("203.0.113.9", 40_000)


async def anything(request: Request) -> Response:
    if request.query_params.get("fail"):
        raise RuntimeError("/home/somebody/secret.py is broken")
    if request.query_params.get("full"):
        raise OSError(errno.ENOSPC, "No space left on device", "/home/somebody/secret")
    if number := request.query_params.get("number"):
        raise OSError(int(number), "as the system says", "/home/somebody/secret")
    try:
        return PlainTextResponse(str(len(await request.body())))
    except Exception:  # as FastAPI, which says so of every body that it cannot read
        if request.query_params.get("gulp"):
            return PlainTextResponse("There was an error parsing the body", 400)
        raise


def client(rates: Rates, address: tuple[str, int] = FAR) -> TestClient:
    guard = Middleware(Guard, upload_mb=3, rates=rates)
    every = Route("/{path:path}", anything, methods=["GET", "POST"])
    app = Starlette(routes=[every], middleware=[guard])
    return TestClient(app, client=address, raise_server_exceptions=False)


def sentence(reply: httpx.Response) -> str:
    said = reply.json()["error"]
    assert said == reply.json()["detail"] and said.endswith(".") and "/home" not in said
    return said


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://127.0.0.1:80/",
        "/gradio_api/custom_component/1/client/component/x",
        "/gradio_api/run/talk",
        "/gradio_api/api/talk",
        "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/token",
        "/gradio_api/file/etc/passwd",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2fsecret",
        "/live/../config",
        "/nowhere",
    ],
)
def test_what_the_page_does_not_need_is_not_there(path: str) -> None:
    reply = client(Rates()).get(path)
    if str(reply.url).endswith("/config"):
        return  # the client itself goes up one folder
    assert reply.status_code == 404 and "nothing at this address" in sentence(reply)


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-B4x_-1.js", "/gradio_api/queue/join", "/healthz"],
)
def test_what_it_needs_is(path: str) -> None:
    reply = client(Rates()).get(path)
    assert reply.status_code == 200
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_somebody_uploaded_runs_nothing() -> None:
    reply = client(Rates()).get("/gradio_api/file=/somewhere/evil.svg")
    assert reply.headers["content-security-policy"].endswith("sandbox")
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_a_failure_tells_nothing_of_the_server() -> None:
    reply = client(Rates()).get("/config?fail=1")
    assert reply.status_code == 500 and "our side" in sentence(reply)


def parts(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(100_000)


@pytest.mark.parametrize(
    ("path", "most_mb"), [("/gradio_api/queue/join", 2), ("/gradio_api/upload", 3)]
)
def test_a_request_that_is_too_large_is_not_read(path: str, most_mb: int) -> None:
    """Neither one that says so, nor one that does not say how large it is."""
    large = bytes(most_mb * 1_000_000 + 1)
    asked = ((path, large), (path, parts(10 * most_mb + 1)))
    for where, content in (*asked, (f"{path}?gulp=1", parts(10 * most_mb + 1))):
        reply = client(Rates()).post(where, content=content)
        assert reply.status_code == 413 and f"{most_mb} MB" in sentence(reply)
    assert client(Rates()).post(path, content=bytes(most_mb * 1_000_000)).status_code == 200


@pytest.mark.parametrize(
    ("rates", "path", "content"),
    [
        (Rates(requests=3), "/config", b""),
        (Rates(talks=3), "/gradio_api/queue/join", b""),
        (Rates(talks=3), "/gradio_api/call/talk", b""),
        (Rates(talks=3), "/live", b""),
        (Rates(upload_mb=6), "/gradio_api/upload", bytes(2_000_000)),
    ],
)
def test_one_visitor_gets_so_much_and_another_one_as_well(
    rates: Rates, path: str, content: bytes
) -> None:
    first = client(rates)
    assert [first.post(path, content=content).status_code for _ in range(3)] == [200] * 3
    reply = first.post(path, content=content)
    assert reply.status_code == 429 and "Please wait" in sentence(reply)
    assert int(reply.headers["retry-after"]) >= 1
    other = TestClient(first.app, client=("203.0.113.10", 1))
    assert other.post(path, content=content).status_code == 200


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/live"])
def test_uploads_count_whether_or_not_they_say_how_large_they_are(path: str) -> None:
    first = client(Rates(upload_mb=6))
    contents = [parts(20), bytes(2_000_000), parts(20), bytes(2_000_000), parts(20)]
    replies = [first.post(path, content=content) for content in contents]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert all("Please wait" in sentence(reply) for reply in replies[3:])


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff:ffff::4", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.10", False),
    ],
)
def test_one_visitor_has_many_addresses(first: str, second: str, are_one: bool) -> None:
    one = client(Rates(requests=1), (first, 1))
    assert one.get("/config").status_code == 200
    other = TestClient(one.app, client=(second, 1))
    assert other.get("/config").status_code == (429 if are_one else 200)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "unknown"])
def test_nobody_is_on_this_machine_because_a_proxy_says_so(host: str) -> None:
    away = client(Rates(requests=1), (host, 1))  # as uvicorn reads the header
    replies = [away.get("/config", headers={"x-forwarded-for": host}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 429]


def test_a_full_disk_is_a_sentence() -> None:
    reply = client(Rates()).get("/config?full=1")
    assert reply.status_code == 507 and "disk is full" in sentence(reply)


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (errno.ENAMETOOLONG, 404, "nothing at this address"),
        (errno.EMFILE, 503, "Too many people"),
        (errno.ENFILE, 503, "Too many people"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(number: int, status: int, said: str) -> None:
    reply = client(Rates()).get(f"/config?number={number}")
    assert reply.status_code == status and said in sentence(reply)


@pytest.mark.parametrize(("parts_s", "status"), [((0.0, 0.01), 200), ((0.0, 5.0), 408)])
def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(
    parts_s: tuple[float, ...], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WAITED_S", 0.5)
    assert _sent_slowly(parts_s) == status


def test_a_slow_line_that_sends_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WAITED_S", 0.5)
    monkeypatch.setattr(bodies, "SLOWEST_BYTES_S", 1)  # a byte for each second
    assert _sent_slowly([0.2] * 6) == 200


def _sent_slowly(parts_s: Sequence[float]) -> int:
    """The status of an answer to a body whose bytes come after so many seconds each."""
    sent: list[Message] = []
    left_s = [*parts_s]

    async def receive() -> Message:
        await anyio.sleep(left_s.pop(0))
        return {"type": "http.request", "body": b"x", "more_body": bool(left_s)}

    async def send(message: Message) -> None:
        sent.append(message)

    app = client(Rates()).app
    scope = {"type": "http", "path": "/gradio_api/upload", "method": "POST"}
    scope |= {"headers": [], "query_string": b"", "client": FAR}
    run_apart(app, scope, receive, send)
    status: int = sent[0]["status"]
    return status


def test_who_is_on_this_machine_is_not_limited() -> None:
    here = client(Rates(requests=1), ("127.0.0.1", 1))
    assert {here.get("/config").status_code for _ in range(9)} == {200}


def test_requests_that_stay_open_are_counted_until_they_end() -> None:
    released, inside = threading.Event(), threading.Semaphore(0)

    async def stays(request: Request) -> Response:
        inside.release()
        await anyio.to_thread.run_sync(released.wait)
        return PlainTextResponse("over")

    guard = Middleware(Guard, upload_mb=3, rates=Rates(at_once=2))
    app = Starlette(routes=[Route("/config", stays)], middleware=[guard])
    with ThreadPoolExecutor(2) as pool, TestClient(app, client=FAR) as one:
        open_ones = [pool.submit(one.get, "/config") for _ in range(2)]
        for _ in open_ones:
            inside.acquire()
        reply = one.get("/config")
        assert reply.status_code == 429 and "2 requests of yours" in sentence(reply)
        released.set()
        assert {each.result().status_code for each in open_ones} == {200}
        assert one.get("/config").status_code == 200


@pytest.mark.parametrize(
    ("part", "status"), [("bytes=99-", 416), ("bytes=5-2", 400), ("bytes=x", 400)]
)
def test_a_part_that_a_film_does_not_have_is_a_sentence(
    part: str, status: int, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"a film")

    async def served(request: Request) -> Response:
        return FileResponse(film)

    guard = Middleware(Guard, upload_mb=3, rates=Rates())
    app = Starlette(routes=[Route("/live/x/film", served)], middleware=[guard])
    reply = TestClient(app).get("/live/x/film", headers={"range": part})
    assert reply.status_code == status
    sentence(reply)


@pytest.mark.parametrize("name", ["requests", "talks", "upload_mb", "at_once"])
def test_a_rate_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0, got 0"):
        Rates(**{name: 0})


async def breaks_off(request: Request) -> Response:
    async def events():
        yield "data: first\n\n"
        raise RuntimeError("/home/somebody/secret.py is broken")

    return StreamingResponse(events(), media_type="text/event-stream")


def test_a_stream_that_breaks_off_ends_with_a_sentence() -> None:
    guard = Middleware(Guard, upload_mb=3, rates=Rates())
    app = Starlette(routes=[Route("/config", breaks_off)], middleware=[guard])
    said = TestClient(app).get("/config").text
    assert said.startswith("data: first") and "cannot be used" in said and "/home" not in said


# --- the page itself ------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["queue/data?session_hash=nobody", "call/talk/nothing"])
def test_what_nobody_began_has_no_answer(address: str, path: str) -> None:
    reply = httpx.get(f"{address}/gradio_api/{path}", timeout=20)
    assert "cannot be used" in reply.text or reply.status_code == 404


def test_the_page_breaks_none_of_its_own_rules(address: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.log('broke', e.blockedURI))"
        )
        page.goto(address)
        page.locator("#live video").first.wait_for(state="attached")
    assert not [text for text in said if "broke" in text or "Content Security" in text]


@pytest.mark.parametrize("data", [{"path": "/etc/passwd"}, {"path": 7}, [1], None, "x", {}])
def test_functions_of_the_page_open_no_path_of_a_client(address: str, data: object) -> None:
    config = httpx.get(f"{address}/config").json()
    studio = next(each["id"] for each in config["components"] if each["type"] == "html")
    asked = {"data": data, "component_id": studio, "session_hash": "a", "fn_name": "look"}
    reply = httpx.post(f"{address}/gradio_api/component_server", json=asked, timeout=60)
    said = reply.json().get("problem") or sentence(reply)
    assert said.endswith(".") and "passwd" not in said and "Traceback" not in reply.text


OUTSIDE = ("/etc/passwd", "app.py", "../../etc/passwd", "/proc/self/environ", "http://127.0.0.1:9/")


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_outside_the_served_folders_is_read(address: str, path: str) -> None:
    reply = httpx.get(f"{address}/gradio_api/file={path}")
    assert reply.status_code in (403, 404) and path not in sentence(reply)


@pytest.mark.parametrize(
    "given",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd"},
        {"path": "x", "url": "http://127.0.0.1:9/", "meta": {"_type": "gradio.FileData"}},
        "/etc/passwd",
    ],
)
def test_no_path_or_address_from_a_client_is_opened(address: str, given: object) -> None:
    begun = httpx.post(
        f"{address}/gradio_api/call/talk", json={"data": [given, given, 1, False, 4]}
    )
    assert begun.status_code == 200
    said = httpx.get(f"{address}/gradio_api/call/talk/{begun.json()['event_id']}", timeout=60).text
    assert "event: error" in said and "root:" not in said and "Traceback" not in said


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"data": null}', b'{"data": [], "fn_index": -1}'])
def test_what_is_no_request_is_refused_in_a_sentence(address: str, body: bytes) -> None:
    reply = httpx.post(
        f"{address}/gradio_api/queue/join", content=body, headers={"content-type": "text/json"}
    )
    assert reply.status_code >= 400
    sentence(reply)
