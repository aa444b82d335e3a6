from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from civitas.faces.web import modules
from civitas.faces.web.assets import STATIC_ROOT, Assets, assets, static_routes

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=static_routes()))
    return httpx.AsyncClient(transport=transport, base_url="http://civitas.test")


def _tree(root: Path, **files: str) -> Assets:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_css", ".css").replace("_js", ".js")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Assets(root)


async def test_a_versioned_address_is_immutable_and_typed(client: httpx.AsyncClient) -> None:
    answer = await client.get(assets().url("css/base.css"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_version_changes_with_any_byte(tmp_path: Path) -> None:
    before = _tree(tmp_path, js__a_js="one").version
    assert _tree(tmp_path, js__a_js="one").version == before
    assert _tree(tmp_path, js__a_js="two").version != before


async def test_an_old_version_gets_todays_file_but_may_not_keep_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/000000000000/js/app.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


async def test_vendored_files_are_immutable_by_their_own_name(client: httpx.AsyncClient) -> None:
    url = assets().url("vendor/htmx-2.0.11/htmx.min.js")
    assert url == "/static/vendor/htmx-2.0.11/htmx.min.js"
    assert (await client.get(url)).headers["cache-control"] == FOREVER
    assert (await client.get("/static/vendor/README.md")).headers["cache-control"] == "no-cache"


async def test_the_etag_answers_304(client: httpx.AsyncClient) -> None:
    url = assets().url("js/app.js")
    etag = (await client.get(url)).headers["etag"]
    again = await client.get(url, headers={"If-None-Match": f'"other", W/{etag}'})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("path", ["../pyproject.toml", "%2e%2e/assets.py", "js/nothing.js", "css", ""])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/static/{path}")).status_code == 404


async def test_head_and_root_icons(client: httpx.AsyncClient) -> None:
    assert (await client.head(assets().url("js/app.js"))).content == b""
    assert (await client.get("/favicon.svg")).headers["content-type"] == "image/svg+xml"
    assert (await client.get("/apple-touch-icon.png")).content.startswith(b"\x89PNG")


def test_a_template_that_names_no_file_fails(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        assets().url("css/nothing.css")
    (tmp_path / "a.exe").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.exe"):
        Assets(tmp_path)


def test_every_import_and_url_inside_the_static_files_leads_to_a_file() -> None:
    for path in STATIC_ROOT.rglob("*"):
        if path.suffix == ".js" and "vendor" not in path.parts:
            for name in re.findall(r'(?:import|from)\s+"([^"]+)"', path.read_text()):
                assert (path.parent / name).is_file(), f"{path.name} imports {name}"
        if path.suffix == ".css":
            for url in re.findall(r'url\("([^"]+)"\)', path.read_text()):
                assert (STATIC_ROOT / url.removeprefix("/static/")).is_file(), f"{path.name} uses {url}"


def test_our_own_files_name_no_other_host() -> None:
    allowed = {"http://www.w3.org/2000/svg"}
    for path in STATIC_ROOT.rglob("*"):
        if path.suffix in {".css", ".js", ".svg", ".webmanifest"} and "vendor" not in path.parts:
            found = set(re.findall(r"https?://[^\s\"'`)<>]+", path.read_text()))
            assert found <= allowed, f"{path.name}: {found - allowed}"


async def test_text_is_held_packed_for_those_who_accept_it(client: httpx.AsyncClient) -> None:
    url = assets().url("css/components.css")
    packed = await client.get(url, headers={"Accept-Encoding": "br, gzip;q=0.8"})
    plain = await client.get(url, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip" and packed.text == plain.text
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.headers["etag"] != plain.headers["etag"]
    again = await client.get(
        url, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    )
    assert again.status_code == 304
    font = assets().url("vendor/instrument-sans-5.3.0/instrument-sans-latin-wght-normal.woff2")
    assert "content-encoding" not in (await client.get(font, headers={"Accept-Encoding": "gzip"})).headers


async def test_every_page_needs_one_stylesheet_made_of_several(client: httpx.AsyncClient) -> None:
    whole = (await client.get(assets().url("css/site.css"))).text
    parts = [(STATIC_ROOT / "css" / f"{name}.css").read_text() for name in ("tokens", "base", "pages")]
    places = [whole.index(part) for part in parts]
    assert places == sorted(places)


def test_modules_become_one_that_runs_in_the_order_of_their_imports() -> None:
    files = {
        "js/a.js": '// A note.\nimport { b as bee } from "./b.js";\nimport "./c.js";\nlog("a", bee);\n',
        "js/b.js": 'import {\n  c,\n} from "./c.js";\nexport const b = () => c;\nlog("b");\n',
        "js/c.js": 'export function c() {}\nexport class C {}\nlog("c");\n',
    }
    whole, inside = modules.join(files, "js/a.js")
    assert inside == {"js/a.js", "js/b.js", "js/c.js"}
    assert [line for line in whole.splitlines() if "log(" in line] == [
        'log("c");',
        'log("b");',
        'log("a", bee);',
    ]
    assert "const { b: bee } = m1;" in whole and "A note" not in whole
    assert whole.endswith("export { m0_c as c, m0_C as C, m1_b as b };\n")
    page = 'import { c } from "./c.js";\nimport { d } from "./d.js";\n'
    assert modules.redirected("js/page.js", page, inside, "js/site.js") == (
        'import { c } from "./site.js";\nimport { d } from "./d.js";\n'
    )


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"js/a.js": 'import "./b.js";\n', "js/b.js": 'import "./a.js";\n'}, "imports itself"),
        ({"js/a.js": 'import "./b.js";\n'}, "not there"),
        ({"js/a.js": 'import "./b.js";\nexport const x = 1;\n', "js/b.js": "export const x = 2;\n"}, "both"),
        ({"js/a.js": "export default 1;\n"}, "export default"),
        ({"js/a.js": "export let x = 1;\n"}, "export let"),
        ({"js/a.js": 'import * as b from "./b.js";\n'}, "import \\*"),
    ],
)
def test_what_cannot_be_made_one_module_is_told(files: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        modules.join(files, "js/a.js")


async def test_no_module_is_on_a_page_twice(client: httpx.AsyncClient) -> None:
    whole = (await client.get(assets().url("js/site.js"))).text
    assert whole.startswith("const m0 = ") and "import" not in re.findall(r"^\w+", whole, re.MULTILINE)
    inside = modules.join(
        {f"js/{p.name}": p.read_text() for p in (STATIC_ROOT / "js").glob("*.js")}, "js/app.js"
    )[1]
    for path in (STATIC_ROOT / "js").glob("*.js"):
        if (name := f"js/{path.name}") in inside:
            continue
        served = (await client.get(assets().url(name))).text
        for given in re.findall(r'^import .*"\./([^"]+)";', served, re.MULTILINE):
            assert f"js/{given}" not in inside, f"{name} brings {given} again"
