"""How the page looks and reads: on a phone, in the dark, in Chinese, and to those who do not see it. Needs Chromium."""

import os
import re
from pathlib import Path

import pytest
from browsing import overflow, read

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[1]
TABS = ("Attention", "Modalities", "What if", "Compare", "Files")


@pytest.fixture(scope="module")
def axe():
    """The text of axe-core, which is not ours: from npm, where FV2ES_AXE says or in node_modules."""
    path = Path(os.environ.get("FV2ES_AXE") or ROOT / "node_modules" / "axe-core" / "axe.min.js")
    if not path.is_file():
        pytest.skip("axe-core is not here (npm install --no-save axe-core; FV2ES_AXE names its axe.min.js)")
    return path


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    if name == "Compare":
        page.locator("#compare-button").click()
        page.locator("#compared figure, #compared section").first.wait_for()
    page.wait_for_timeout(400)


def test_nothing_is_wider_than_a_phone_and_every_tab_is_there(visit, paced, talk):
    pace, url = paced
    page = visit(url, 360)
    read(page, pace, talk)
    for name in TABS:
        open_tab(page, name)
        assert overflow(page) <= 0, name
    order = page.evaluate(
        "['#clip', '#submit', '#timeline', '#utterances', '#stage', '#summary', '.fv-tabs', '#thresholds', '.fv-about']"
        ".map((each) => document.querySelector(each).getBoundingClientRect().top)"
    )
    assert order == sorted(order)


def test_the_dark_page_is_dark(visit, paced, talk):
    pace, url = paced
    page = visit(url, color_scheme="dark")
    read(page, pace, talk)
    for part in ("body", "#stage .fv-card", "#timeline .fv-card", "#utterances ol"):
        shade = page.locator(part).first.evaluate(
            "(each) => getComputedStyle(each).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
        )
        assert max(shade) < 70, part


# What is the same in every language: names, units, file formats, what was heard;
# and what Gradio says in English alone.
GRADIOS = {"Click to upload or drop files", "Gradio footer navigation"}  # and its player
SAME = r"""FV2ES|FE2E|Wei|Huang|Zhang|Dai|Cahyawijaya|Liu|Fung|Whisper|PocketSphinx|JSON|CSV|SRT|WebVTT|PNG|Made up
|Other compact|I got job \d!|\.npz|\.zip|analyze|CLS|[0-9a-f]{12}|k?Hz|\bMB|\S*\?result=\S+|talk\.mp4|API|MCP"""
SEEN = """() => {
    const said = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
    for (let each = walk.currentNode; each; each = walk.nextNode()) {
        const theirs = each.closest('#clip, footer:not(.fv-about), script, style');
        if (theirs || !each.checkVisibility({visibilityProperty: true})) continue;
        for (const name of ['aria-label', 'alt', 'title', 'placeholder', 'aria-valuetext']) {
            if (each.hasAttribute(name)) said.push(each.getAttribute(name));
        }
        for (const node of each.childNodes) if (node.nodeType === Node.TEXT_NODE) said.push(node.textContent.trim());
    }
    return said.filter(Boolean);
}"""


def english_on(page) -> set[str]:
    """What stays English of all that is seen on the page or read out of it; what is about to be replaced may be."""
    same = re.compile(SAME.replace("\n", ""))
    for _ in range(100):
        found = {said for said in page.evaluate(SEEN) if re.search("[A-Za-z]{2,}", same.sub("", said))} - GRADIOS
        if not found:
            break
        page.wait_for_timeout(100)
    return found


def test_nothing_on_the_chinese_page_stays_english(visit, paced, talk):
    pace, url = paced
    page = visit(url, locale="zh-CN")
    page.get_by_text("是表达，而不是感受。").wait_for()
    page.get_by_role("button", name="选项").click()
    page.locator("#submit").click()
    page.get_by_role("alert").wait_for()
    assert english_on(page) == set()
    read(page, pace, talk)
    page.get_by_text("没有发现面部").wait_for()
    page.locator("#attention img").first.wait_for()
    assert english_on(page) == set()
    for tab, button, drawn in (
        ("模态", None, "#modalities .fv-card"),
        ("假如", "#again", "#what-if .fv-card"),
        ("比较", "#compare-button", "#compared .fv-card"),
        ("文件", "#link-button", "#link a"),
    ):
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "假如":
            page.locator("#left-out").get_by_text("面部").wait_for()  # the tab is drawn
        if button:
            page.locator(button).click()
        page.locator(drawn).first.wait_for()
        assert english_on(page) == set(), tab


def test_the_page_speaks_chinese_where_the_browser_does(visit, paced, talk):
    pace, url = paced
    page = visit(url, locale="zh-CN")
    page.get_by_text("是表达，而不是感受。").wait_for()
    page.get_by_text("请选择一段视频").wait_for()
    read(page, pace, talk)
    page.get_by_text("完成：3 句话").wait_for()
    page.get_by_text("没有发现面部").wait_for()
    page.locator("#stage").get_by_role("heading", name="第 3 句").wait_for()
    page.get_by_role("tab", name="注意力").wait_for()
    assert "快乐" in page.locator("#stage .fv-chart .fv-words").inner_text()
    page.get_by_role("button", name="选项").click()
    page.get_by_label("自动").wait_for()
    assert page.locator("html").get_attribute("lang").startswith("zh")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, paced, talk, axe, scheme):
    pace, url = paced
    page = visit(url, color_scheme=scheme)
    page.get_by_role("button", name="Options").click()
    page.add_script_tag(path=axe)
    assert serious(page) == []
    read(page, pace, talk)
    for name in TABS:
        open_tab(page, name)
        assert serious(page) == [], name


def serious(page) -> list[str]:
    """What axe finds serious or critical."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((said) => said.violations)")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]
