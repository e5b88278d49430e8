"""The page in a real browser: its script is allowed to run, and sorts."""

import re
import shutil
import subprocess

import pytest

from exporter.pipeline.sweep.page import page
from exporter.pipeline.sweep.summary import summarize
from tests.pipeline.sweep.made import outcome

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_a_click_sorts(tmp_path):
    found = [outcome(i, f"size={size}", reason="why") for i, size in enumerate((96, 640, 320))]
    text = page(summarize(tmp_path, found, complete=True))
    assert shown(tmp_path, text) == ["96", "640", "320"]
    assert shown(tmp_path, text, clicks=1) == ["96", "320", "640"]
    assert shown(tmp_path, text, clicks=2) == ["640", "320", "96"]


def shown(folder, text, clicks=0):
    """The column of sizes, after clicks on its title."""
    if clicks:  # the page's own policy would not let this run
        click = "document.querySelectorAll('th')[1].click();" * clicks
        text = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", f"<script>{click}</script></body>")
    (folder / "page.html").write_text(text, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{folder}/page.html"]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert 'tabindex="0"' in dom  # which sort.js has set: the policy lets it run
    return re.findall(r'<td data-value="(\d+)">\d+</td>', dom)
