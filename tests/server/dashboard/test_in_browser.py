"""The dashboard in a browser: Chromium without a screen, against a server on a socket."""

import re
import shutil
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import uvicorn

import palmette as pm
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.settings import KeySettings, ServerSettings

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def url(engine: Engine) -> Iterator[str]:
    yield from _serving(engine, ServerSettings())


@pytest.fixture(scope="module")
def url_with_keys(engine: Engine) -> Iterator[str]:
    yield from _serving(engine, ServerSettings(keys=KeySettings(admin_keys=("let me in",))))


def _serving(engine: Engine, settings: ServerSettings) -> Iterator[str]:
    config = uvicorn.Config(
        create_app(parts_of(engine, settings)), port=0, log_level="error", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/dashboard"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A tab; whatever the page complains of fails the test."""
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    opened.close()
    assert [each for each in complaints if "401" not in each] == []


def generate(page: "Page") -> None:
    page.click("#run")
    page.wait_for_selector("body[data-played]")
    page.evaluate("() => delete document.body.dataset.played")


def test_what_is_generated_comes_with_colours_rivals_and_the_tree(page: "Page", url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".health.good")
    page.select_option("#constraint", "json_schema")
    page.fill("#seed", "3")
    generate(page)
    tokens = page.locator("#tokens .tok")
    assert tokens.count() > 10
    assert "".join(tokens.all_inner_texts()).startswith('{"name": "')
    assert page.locator("#tokens .tok.forced").count() >= 1
    colors = {token.evaluate("each => each.style.background") for token in tokens.all()}
    assert len(colors) > 2
    tokens.nth(3).hover()
    rivals = page.locator("#tip .rival")
    assert rivals.count() >= 6
    assert page.locator("#tip .rival.chosen").count() == 1
    page.fill("#input", "Extract the person: Ann.")
    generate(page)
    page.locator("#tree .node").nth(2).wait_for()
    widths = page.locator("#tree .node").evaluate_all(
        "nodes => nodes.map(each => [Number(each.dataset.tokens), each.querySelector('rect').width.baseVal.value])"
    )
    longest, shortest = max(widths), min(widths)
    assert longest[1] > shortest[1]
    page.locator("#tree .node").first.hover()
    assert "held by" in page.locator("#tip").inner_text()
    assert page.locator("#cards .card").count() == 5
    assert page.locator(".request").count() >= 1
    assert "[object" not in page.locator("body").inner_text()


def test_a_chat_goes_on_and_a_prompt_does_not(page: "Page", url: str) -> None:
    page.goto(url)
    page.fill("#input", "What is the capital of Peru?")
    page.fill("#max-tokens", "12")
    generate(page)
    page.fill("#input", "And of France?")
    generate(page)
    assert page.locator("#turns .turn.user").count() == 2
    page.click("[data-mode=prompt]")
    assert page.locator("#turns .turn").count() == 0
    page.fill("#input", "One, two, <b>three</b>")
    generate(page)
    assert page.locator("#facts").inner_text().count("seed") == 1
    page.click("[data-mode=chat]")
    page.click("#fresh")
    assert page.locator("#turns .turn").count() == 0


@pm.function
def counting(s: pm.ProgramState) -> None:
    s += "One" + pm.gen("two", max_tokens=2)


def test_a_program_is_run_and_its_branches_are_drawn(page: "Page", url: str) -> None:
    reply = page.request.post(url.replace("/dashboard", "/v1/programs"), data=counting.plan().to_json())
    assert reply.ok
    page.goto(url)
    page.click("[data-mode=program]")
    assert page.locator("#input").is_hidden()
    assert page.locator("#arguments input").count() == 1
    page.fill("#arguments input", "forest")
    page.fill("#seed", "5")
    generate(page)
    branches = page.locator("#tokens .branch")
    assert branches.count() == 3
    assert "Name an animal of the forest." in branches.first.inner_text()
    assert page.locator("#tokens > .branch .branch .tok").count() > 2
    assert re.search(r"[1-9][0-9]? years", branches.nth(2).inner_text())
    page.locator("#tokens .chosen").hover()
    assert page.locator("#tip .rival").count() == 2
    assert page.locator("#facts").inner_text().startswith("3 branches")
    page.locator("#program option").nth(1).wait_for(state="attached")
    page.select_option("#program", index=1)
    page.locator("#arguments input").wait_for(state="detached")
    assert '"two"' in page.locator("#plan").input_value()
    generate(page)
    assert page.locator("#tokens .branch").count() == 1
    page.fill("#plan", "{")
    page.click("#run")
    page.wait_for_selector("#facts .error")
    assert "not JSON" in page.locator("#facts").inner_text()
    page.click("[data-mode=prompt]")
    assert page.locator("#input").is_visible()
    assert page.locator("#plan").is_hidden()


def test_markup_is_only_text(page: "Page", url: str) -> None:
    page.goto(url)
    page.select_option("#constraint", "choices")
    page.fill("#constraint-text", "<img src=x><b>bold</b>")
    generate(page)
    assert "<b>bold</b>" in "".join(page.locator("#tokens .tok").all_inner_texts())
    assert page.locator("#tokens img, #tokens b, #requests img").count() == 0


def test_an_error_is_shown(browser: "Browser", url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.select_option("#constraint", "regex")
    page.fill("#constraint-text", "(")
    generate(page)
    assert "(" in page.locator("#facts .error").inner_text()
    assert page.locator("#run").is_enabled()
    page.close()


def test_it_asks_for_a_key_and_keeps_it_in_the_tab(page: "Page", url_with_keys: str) -> None:
    page.goto(url_with_keys)
    page.wait_for_selector("#key-form:not([hidden])")
    page.fill("#key", "let me in")
    page.keyboard.press("Enter")
    page.wait_for_selector(".health.good")
    assert page.locator("#key-form").is_hidden()
    page.reload()
    page.wait_for_selector(".health.good")


def test_light_and_dark(page: "Page", url: str) -> None:
    page.goto(url)
    papers = set()
    for _ in range(3):
        papers.add(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        page.click("#theme")
    assert len(papers) == 2
