"""What people write is only words: on pages, in lists, in the API's HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from tests.factories.http import HTML, Client
from tests.flows import story
from tests.flows.story import API

CORPUS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<svg/onload=alert(1)>",
    "<a href=' javascript:alert(1)'>x</a>", "![x](data:text/html,<script>alert(1)</script>)",
    "<iframe src=//evil.example>", "<style>*{background:url(//evil.example)}</style>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>", "<p style='position:fixed'>x</p>", "`<script>`",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "[a]: javascript:alert(1)\n\n[a]",
    "<form action=//evil.example><input name=q></form>", "<base href=//evil.example>", "<!--><img src=x onerror=alert(1)>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<a href=\"/x\" onclick=alert(1)>y</a>",
    "<a href=\"jav&#x09;ascript:alert(1)\">z</a>", "<details open ontoggle=alert(1)>", "\x01\x02 marks of documents",
)  # fmt: skip
NAME = '"><script>alert(1)</script>{{7*7}}'
PAGES = (
    "/", "/models", "/models?query=%3Cscript%3Ealert(1)%3C/script%3E", "/user/writer_of_words", "/tags", "/creators",
    "/search?query=%22%3E%3Cscript%3E", "/login?returnUrl=%22%3E%3Cscript%3E", "/tag/%22%3E%3Cscript%3Ealert(1)",
    "/%3Cscript%3Ealert(1)%3C/script%3E", "/user/%3Cscript%3E",
)  # fmt: skip


class Looker(HTMLParser):
    """Fails on every tag that could run something or fetch from elsewhere."""

    where = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        told = (self.where, tag, found)
        assert tag not in {"iframe", "object", "embed", "base", "mglyph"}, told
        assert not any(key.startswith("on") for key in found), told
        assert "style" not in found and "http-equiv" not in found, told
        for key in ("href", "src", "action", "formaction", "xlink:href", "srcset"):
            plain = "".join(found.get(key, "").split()).lower()
            assert not plain.startswith(("javascript:", "vbscript:", "data:text")), told
            assert "evil.example" not in plain or (tag == "a" and key == "href"), told
        if tag == "script":
            assert found.get("src", "").startswith("/static/") or "json" in found.get("type", ""), told
        if tag == "a" and found.get("href", "").startswith("http"):
            assert "localhost" in found["href"] or "noopener" in found.get("rel", ""), told


def look(html: str, where: str) -> None:
    looker = Looker()
    looker.where = where
    looker.feed(html)


async def test_hostile_words_are_only_words(client: Client) -> None:
    words = "\n\n".join(CORPUS)
    await story.new_program(client, username="writer_of_words")
    model_id, version_id = await story.published(
        client, name=NAME, description=words, tags=['"><b>x', "plain"], licenseText=words
    )
    changes = {"description": words, "trainedWords": ['"><img src=x onerror=alert(1)>']}
    story.ok(await client.patch(f"{API}/model-versions/{version_id}", json=changes))
    story.ok(await client.patch(f"{API}/me/profile", json={"bio": words[:400], "location": NAME[:30]}))
    await client.run_tasks()
    await story.a_minute_later(client)
    client.sign_out()
    for page in (f"/models/{model_id}", f"/models/{model_id}?modelVersionId={version_id}", *PAGES):
        response = await client.get(page, headers=HTML)
        assert response.status_code in {200, 404}, (page, response.status_code)
        look(response.text, page)
    document = (await client.get(f"{API}/models/{model_id}")).json()
    assert document["name"] == NAME
    for text in (document["description"], document["modelVersions"][0]["description"]):
        look(text, "the API")
