"""Pages of articles: a list, a reader, an editor, with forms alone."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.community import make_article, make_picture, make_writer
from tests.factories.http import HTML, HTMX, Client

from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS
from civitas.domains.community.articles import reads
from civitas.kit import clock


async def test_a_stranger_reads_an_article_by_its_address(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
        picture = await make_picture(session, writer.require())
        article = await make_article(
            session,
            writer,
            title="On light",
            content=f"# One\n\n## Two\n\n### Three\n\n![A kite](/images/{picture})\n\n<script>alert(1)</script>",
            cover_image_id=picture,
            tags=["light"],
            category="guide",
        )
    page = await client.page("/articles")
    assert "On light" in page.text and 'href="/articles/rss.xml"' in page.text
    moved = await client.page(f"/articles/{article.id}/old-name")
    assert (moved.status_code, moved.headers["location"]) == (303, f"/articles/{article.id}/on-light")
    read = await client.page(f"/articles/{article.id}/on-light")
    assert 'alt="A kite"' in read.text and "alert(1)" not in read.text
    assert 'href="#part-two"' in read.text and '"@type":"Article"' in read.text
    assert 'property="og:image"' in read.text
    feed = await client.get("/articles/rss.xml")
    assert (
        feed.headers["content-type"].startswith("application/rss+xml")
        and "<title>On light</title>" in feed.text
    )
    assert (await client.page("/articles/999999/x")).status_code == 404
    assert "Nothing here yet" in (await client.page("/articles?category=news")).text


async def test_mature_articles_are_on_no_page_of_those_who_did_not_ask(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
        article = await make_article(session, writer, title="Very dark", floor_level=16)
        grown = await make_person(
            session, "grown", adult_confirmed_at=clock.now(), show_mature=True, browsing_level=ALL_MASK
        )
    for path in ("/articles", "/articles/rss.xml", "/articles?sort=Recently+Updated", "/articles?q=dark"):
        assert "Very dark" not in (await client.page(path)).text
    assert (await client.page(f"/articles/{article.id}/very-dark")).status_code == 404
    await client.sign_in(grown)
    assert "Very dark" in (await client.page("/articles")).text
    assert "Very dark" not in (await client.page("/articles/rss.xml")).text
    read = (await client.page(f"/articles/{article.id}/very-dark")).text
    assert "noindex" in read and "ld+json" not in read


async def test_writing_works_without_script(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
    await client.sign_in(writer.require())
    begun = await client.submit("/articles/create", title="On light")
    place = begun.headers["location"]
    assert begun.status_code == 303 and place.endswith("/edit")
    await client.page(place)
    form = {"title": "On light", "content": "It *bends*.", "tags": "a, b", "level": "1", "category": "guide"}
    kept = await client.submit(place, **form, deed="save")
    assert kept.headers["location"] == place
    assert "<em>bends</em>" in (await client.page(place)).text
    bad = await client.submit(place, **form | {"title": "x" * 101, "content": "Do not lose me."}, deed="save")
    assert bad.status_code == 400 and "Do not lose me." in bad.text and "at most 100" in bad.text
    wrong = await client.submit(place, **form | {"cover": "none"}, deed="save")
    assert wrong.status_code == 400 and "number of a picture" in wrong.text
    done = await client.submit(place, **form, deed="publish")
    assert done.status_code == 303 and not done.headers["location"].endswith("/edit")
    back = await client.submit(place, **form, deed="unpublish")
    assert back.status_code == 303
    later = await client.submit(place, **form, deed="schedule", at="", zone="0")
    assert later.status_code == 400 and "Choose a day" in later.text
    later = await client.submit(place, **form, deed="schedule", at="2090-01-01T10:00", zone="60")
    assert later.status_code == 400 and "within a year" in later.text
    assert "On light" in (await client.page("/articles/mine")).text
    history = await client.page(place.replace("/edit", "/history"))
    assert "Published" in history.text
    gone = await client.submit(place.replace("/edit", "/delete"))
    assert gone.status_code == 303 and (await client.page(place)).status_code == 404


async def test_autosave_and_preview_answer_htmx(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
    await client.sign_in(writer.require())
    place = (await client.submit("/articles/create", title="A")).headers["location"]
    number = place.split("/")[2]
    saved = await client.post(
        f"/articles/{number}/autosave", headers=HTML | HTMX, data={"title": "A", "content": "one"}
    )
    assert "Kept" in saved.text and 'name="based_on"' in saved.text
    beside = await client.post(
        f"/articles/{number}/autosave",
        headers=HTML | HTMX,
        data={"title": "A", "content": "two", "based_on": "1"},
    )
    assert "beside" in beside.text
    shown = await client.post(
        f"/articles/{number}/preview",
        headers=HTML | HTMX,
        data={"content": "**x** <img src=x onerror=y> ![z](/images/1)"},
    )
    assert "<strong>x</strong>" in shown.text and "onerror" not in shown.text
    assert "z: not found here" in shown.text


async def test_reading_is_told_by_browsers_and_counted_once(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
        article = await make_article(session, writer)
    await client.page(f"/articles/{article.id}/on-light")
    for _ in range(3):
        assert (await client.post(f"/articles/{article.id}/seen", headers=HTML)).status_code == 204
    await client.run_tasks()
    from civitas.domains.community.articles import counting

    async with client.house.database.unit() as session:
        assert await counting.fold(session) == 1
        opened = await reads.opened(session, ANONYMOUS, article_id=article.id)
        assert opened.about.counts.views == 1


async def test_staff_rule_on_the_page(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
        article = await make_article(session, writer)
        staff = await make_person(session, "staff", role="moderator")
    await client.sign_in(staff)
    place = f"/articles/{article.id}/rule"
    assert "Take it from view" in (await client.page(f"/articles/{article.id}/on-light")).text
    await client.submit(place, deed="unpublish", reason="Copied from elsewhere.")
    await client.sign_in(writer.require())
    assert "Copied from elsewhere." in (await client.page(f"/articles/{article.id}/on-light")).text
    client.sign_out()
    assert (await client.page(f"/articles/{article.id}/on-light")).status_code == 404
