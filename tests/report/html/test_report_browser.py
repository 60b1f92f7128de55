"""The page in a browser, headless and without network: nothing is asked of any host, no error, and a print."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import toy
from support.reports import Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
           "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:1",
           "--enable-logging=stderr", "--disable-component-update"]  # fmt: skip
OURS = re.compile(r"(file|data|about|chrome|chrome-extension|blob):")


def opened(page: Path, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """A page in a browser of its own."""
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)


@pytest.fixture(scope="module")
def printed(html, tmp_path_factory):
    """The page as a PDF, what the browser logged of it, and the addresses that it asked for."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "report.html").write_text(html)
    ran = opened(
        folder / "report.html", folder, f"--print-to-pdf={folder / 'report.pdf'}", "--no-pdf-header-footer",
        f"--log-net-log={folder / 'net.json'}",
    )  # fmt: skip
    asked = re.findall(r'"url":"([^"]+)"', (folder / "net.json").read_text())
    return folder / "report.pdf", ran.stderr, asked


def test_the_console_has_no_error(printed):
    _, logged, _ = printed
    assert [line for line in logged.splitlines() if "CONSOLE" in line] == []


def test_no_host_is_asked_for_anything(printed):
    """What a browser asks its maker for by itself is none of the page's."""
    _, _, asked = printed
    foreign = {url for url in asked if not OURS.match(url)}
    assert {url for url in foreign if not re.search(r"https?://[\w.-]*(google|gvt1|gstatic)[\w.-]*/", url)} == set()


def test_it_prints(printed):
    pdf, _, _ = printed
    assert pdf.read_bytes().startswith(b"%PDF-")
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext")
    text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"What was run.*Results.*Arms compared.*The bound.*Who labelled", text, re.DOTALL)
    assert "biasloop loop --preset toy --seeds 0-2 --set" in text
    assert "Round by round" not in text  # what is folded stays so


TRIAL = """<table><thead><tr><th data-sort>arm</th><th data-sort>mean</th></tr></thead>
<tbody><tr><td>b</td><td data-value="10">10.0</td></tr><tr><td>a</td><td data-value="9">9.00</td></tr>
<tr><td>c</td><td data-value="-1">-1.0</td></tr></tbody></table><p id="told"></p><script>SCRIPT</script><script>
const told = [];
const order = () =>
  told.push([...document.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent).join(""));
for (const column of [0, 1, 1]) { document.querySelectorAll("th")[column].click(); order(); }
document.getElementById("told").textContent = told.join(",");
</script>"""


def test_a_click_on_a_head_sorts_by_it_and_another_one_the_other_way(tmp_path):
    script = (toy.PROJECT / "biasloop" / "report" / "html" / "sort.js").read_text()
    (tmp_path / "trial.html").write_text(f"<!DOCTYPE html><html><body>{TRIAL.replace('SCRIPT', script)}</body></html>")
    ran = opened(tmp_path / "trial.html", tmp_path, "--dump-dom")
    assert "abc,cab,bac" in Page(ran.stdout).text
    assert "CONSOLE" not in ran.stderr


def test_the_policy_of_the_page_runs_no_other_script(html, tmp_path):
    (tmp_path / "changed.html").write_text(
        html.replace("<main>", '<main><img src="https://example.org/x.png"><script>document.title = "run"</script>')
    )
    ran = opened(tmp_path / "changed.html", tmp_path, "--dump-dom")
    assert "<title>run</title>" not in ran.stdout
    refused = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    assert any("Content Security Policy" in line and "script" in line for line in refused)
    assert any("Content Security Policy" in line and "example.org" in line for line in refused)
