"""Who may talk to the application, and what goes out with every answer."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from med42_chat.guard import DOCUMENTS, FILES, LARGEST_BODY, LARGEST_FILES, Guard, own_names

KEY = "a-key-of-this-start"
COOKIE = "med42_7042"
PAGE = '<!doctype html><html><head><title>x</title></head><body><script src="a.js"></script><script>1</script></body></html>'


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"X-Encoding-Asked": request.headers.get("accept-encoding", "none")})


async def echo(request: Request) -> Response:
    return JSONResponse({"length": len(await request.body())})


async def asset(request: Request) -> Response:
    return PlainTextResponse("let x", media_type="text/javascript")


async def fault(request: Request) -> Response:
    raise ValueError("a patient's words")


APP = Starlette(
    routes=[
        Route("/", page),
        Route("/healthz", echo),
        Route("/v1/fault", fault),
        Route("/v1/stream", echo, methods=["GET", "POST"]),
        Route(FILES, echo, methods=["POST"]),
        Route(DOCUMENTS, echo, methods=["POST"]),
        Route("/gradio_api/upload", echo, methods=["POST"]),
        Route("/ui/js/page.js", asset),
        Route("/ui/icons/med42.svg", asset),
        Route("/manifest.json", asset),
        Route("/favicon.ico", asset),
    ]
)


def ask(path: str = "/", method: str = "GET", signed_in: bool = True, content: bytes | None = None, **headers: str) -> httpx.Response:
    given = {"Host": "127.0.0.1:7042", **({"Cookie": f"{COOKIE}={KEY}"} if signed_in else {})}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(send(method, path, given, content))


async def send(method: str, path: str, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
    guarded: Any = Guard(APP, own_names("127.0.0.1", 7042), KEY, COOKIE, "<meta name=ours>")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://127.0.0.1:7042") as client:
        return await client.request(method, path, headers=headers, content=content)


class TestNames:
    @pytest.mark.parametrize("host", ["127.0.0.1:7042", "localhost:7042", "[::1]:7042", "LOCALHOST:7042"])
    def test_our_own_names_are_answered(self, host: str) -> None:
        assert ask(Host=host).status_code == 200

    @pytest.mark.parametrize("host", ["evil.test:7042", "evil.test", "127.0.0.1", "127.0.0.1:7043", "localhost.evil.test:7042", ""])
    def test_a_foreign_name_that_points_here_is_refused(self, host: str) -> None:
        answer = ask(Host=host)
        assert answer.status_code == 403
        assert "not one of Med42 Chat's own" in answer.text

    def test_the_name_the_person_chose_is_ours_too(self) -> None:
        assert "ward.example:80" in own_names("ward.example", 80)
        assert "ward.example" in own_names("ward.example", 80)
        assert "[fe80::1]:7042" in own_names("fe80::1", 7042)

    def test_a_wildcard_takes_this_computers_names_and_no_others(self) -> None:
        import socket

        assert f"{socket.gethostname().lower()}:7042" in own_names("0.0.0.0", 7042)
        assert "evil.test:7042" not in own_names("0.0.0.0", 7042)


class TestOtherPages:
    @pytest.mark.parametrize(
        "origin", ["http://evil.test", "http://localhost:3000", "null", "http://127.0.0.1:7043", "http://evil.test:7042"]
    )
    def test_a_foreign_origin_is_refused(self, origin: str) -> None:
        assert ask("/v1/stream", "POST", content=b"{}", Origin=origin).status_code == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_request_from_another_site_is_refused(self, site: str, method: str) -> None:
        assert ask("/v1/stream", method, content=b"{}", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status_code == 403

    def test_a_link_to_the_page_may_be_followed_but_not_to_anything_else(self) -> None:
        assert ask(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status_code == 200
        assert ask("/v1/stream", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status_code == 403

    def test_our_own_page_is_answered(self) -> None:
        assert ask("/v1/stream", "POST", content=b"{}", Origin="http://127.0.0.1:7042", Sec_Fetch_Site="same-origin").status_code == 200


class TestKey:
    def test_without_the_key_there_is_a_word_how_to_open_the_page(self) -> None:
        answer = ask(signed_in=False)
        assert answer.status_code == 401
        assert "full address" in answer.text
        assert ask("/v1/stream", signed_in=False).status_code == 401

    def test_the_address_with_the_key_gives_a_cookie_that_no_script_and_no_other_site_gets(self) -> None:
        answer = ask(f"/?k={KEY}", signed_in=False)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}={KEY}")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()

    @pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], "ä"])
    def test_a_wrong_key_opens_nothing(self, key: str) -> None:
        assert "set-cookie" not in ask(f"/?k={key}", signed_in=False).headers

    def test_whether_the_program_lives_may_be_asked_without_the_key(self) -> None:
        assert ask("/healthz", signed_in=False).status_code == 200

    @pytest.mark.parametrize("path", ["/manifest.json", "/favicon.ico", "/ui/icons/med42.svg"])
    def test_name_and_icon_are_for_everybody_because_browsers_ask_for_them_without_cookies(self, path: str) -> None:
        assert ask(path, signed_in=False).status_code == 200


class TestDoors:
    @pytest.mark.parametrize("path", ["/%0a", "/%0d%0a", "/%09", "/v1/%0astream", "/ui/%00"])
    def test_an_address_with_control_characters_is_shut_and_breaks_nothing(self, path: str) -> None:
        assert ask(path).status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://x", "/gradio_api/info", "/gradio_api/call/x",
         "/gradio_api/openapi.json", "/gradio_api/component_server", "/monitoring", "/docs", "/openapi.json", "/config", "/login",
         "/gradio_api/run/ask", "/gradio_api/runs", "/run/predict", "/gradio_api/api/predict"],
    )  # fmt: skip
    def test_what_our_page_never_asks_for_is_shut(self, path: str) -> None:
        assert ask(path, "POST", content=b"").status_code == 404
        assert ask(path).status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_other_methods_are_shut(self, method: str) -> None:
        assert ask("/", method).status_code == 404

    def test_a_body_up_to_the_limit_arrives_and_a_larger_one_is_refused_unread(self) -> None:
        assert ask("/v1/stream", "POST", content=b"x" * LARGEST_BODY).json() == {"length": LARGEST_BODY}
        assert ask("/v1/stream", "POST", content=b"x" * (LARGEST_BODY + 1)).status_code == 413

    def test_a_file_may_be_larger_than_a_question_and_only_at_its_own_door(self) -> None:
        file = b"x" * (LARGEST_BODY + 1)
        assert ask(FILES, "POST", content=file).status_code == 200
        assert ask("/v1/draft", "POST", content=file).status_code == 413
        too_large = b"x" * (LARGEST_FILES[FILES] + 1)
        assert ask(FILES, "POST", content=too_large).status_code == 413
        assert ask(DOCUMENTS, "POST", content=too_large).status_code == 200

    def test_a_body_of_unknown_length_is_refused(self) -> None:
        async def chunks() -> Any:
            yield b"x"

        assert ask("/v1/stream", "POST", content=chunks()).status_code == 413  # type: ignore[arg-type]

    def test_websockets_are_closed(self) -> None:
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        guarded = Guard(APP, own_names("127.0.0.1", 7042), KEY, COOKIE)
        asyncio.run(guarded({"type": "websocket", "path": "/"}, None, keep))  # type: ignore[arg-type]
        assert sent == [{"type": "websocket.close", "code": 1008}]


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/v1/stream", "/ui/js/page.js", "/nothing"])
    def test_every_answer_is_protected(self, path: str) -> None:
        headers = ask(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers

    def test_the_policy_lets_nothing_be_loaded_from_elsewhere_and_no_inline_script_run(self) -> None:
        policy = ask().headers["content-security-policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe-inline" not in scripts
        assert "http" not in policy
        assert "*" not in policy

    def test_the_pages_own_scripts_carry_a_nonce_that_is_new_each_time(self) -> None:
        first, second = ask(), ask()
        nonces = re.findall(r'<script nonce="([^"]+)"', first.text)
        assert len(nonces) == 2
        assert set(nonces) == set(re.findall(r"'nonce-([^']+)'", first.headers["content-security-policy"]))
        assert nonces[0] not in second.text

    def test_our_head_is_in_the_page_and_its_length_is_right(self) -> None:
        answer = ask()
        assert "<meta name=ours></head>" in answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)

    def test_a_page_is_asked_for_uncompressed_because_a_nonce_is_written_into_it(self) -> None:
        assert ask(Accept_Encoding="br, gzip").headers["x-encoding-asked"] == "none"

    def test_pages_and_data_are_kept_by_no_browser(self) -> None:
        assert ask().headers["cache-control"] == "no-store"
        assert ask("/v1/stream").headers["cache-control"] == "no-store"
        assert "no-store" not in ask("/ui/js/page.js").headers.get("cache-control", "")


def test_a_fault_of_the_program_is_logged_by_its_place_and_not_with_its_words(caplog: pytest.LogCaptureFixture) -> None:
    assert ask("/v1/fault").status_code == 500
    assert "ValueError at test_guard.py" in caplog.text and "patient" not in caplog.text


def test_a_key_that_is_empty_lets_nobody_in() -> None:
    assert not Guard(APP, [], "", COOKIE)._is_key("")
