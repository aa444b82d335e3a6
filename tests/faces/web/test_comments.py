"""Threads within pages and alone, with script and without."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import HTML, HTMX, Client

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.actors import actor_named
from civitas.domains.catalog import rebuilding
from civitas.domains.community.comments import keeping, writing
from civitas.faces.web import prose


async def make_page(client: Client) -> tuple[int, int, int]:
    """A model's owner, somebody else, and the model."""
    async with client.house.database.unit() as session:
        owner, ben = await make_person(session, "owner_w"), await make_person(session, "ben_w")
        model, _ = await make_published_model(session, owner)
        await rebuilding.rebuild(session, [model])
    return owner, ben, model


async def say(client: Client, person: int, model: int, words: str, below: int | None = None) -> int:
    async with client.house.database.unit() as session:
        actor = await actor_named(session, person)
        made = await writing.write(
            session, actor, subject=Subject("model", model), content=words, parent_id=below
        )
        return made.id


async def test_the_model_page_brings_its_discussion(client: Client) -> None:
    _, _, model = await make_page(client)
    page = (await client.page(f"/models/{model}")).text
    assert f'hx-get="/comments/model/{model}"' in page
    assert f'href="/comments/model/{model}"' in page


async def test_without_script_one_writes_answers_edits_and_removes(client: Client) -> None:
    _, ben, model = await make_page(client)
    await client.sign_in(ben)
    await client.page(f"/comments/model/{model}")
    made = await client.submit(f"/comments/model/{model}", content="**First** <script>alert(1)</script>")
    assert made.status_code == 303
    where = made.headers["location"]
    page = (await client.page(where)).text
    assert "<strong>First</strong>" in page
    assert "<script>alert" not in page
    assert "your words" not in (await client.page(f"{where}/reply")).text
    answered = await client.submit(f"/comments/model/{model}", content="Second", parent=where.split("/")[-1])
    assert answered.status_code == 303
    thread = (await client.page(f"/comments/model/{model}")).text
    assert thread.index("First") < thread.index("Second")
    assert "**First**" in (await client.page(f"{where}/edit")).text
    assert (await client.submit(f"{where}/edit", content="Changed")).status_code == 303
    assert "Changed" in (await client.page(where)).text
    assert (await client.submit(f"{where}/remove")).status_code == 303
    assert "Removed by its writer" in (await client.page(f"/comments/model/{model}")).text


async def test_a_wrong_form_comes_back_with_its_words(client: Client) -> None:
    _, ben, model = await make_page(client)
    await client.sign_in(ben)
    path = f"/comments/model/{model}"
    empty = await client.submit(path, content="  ")
    assert (empty.status_code, "Write something first." in empty.text) == (400, True)
    assert (await client.submit(path, content="Twice")).status_code == 303
    twice = await client.submit(path, content="Twice")
    assert (twice.status_code, ">Twice</textarea>" in twice.text) == (409, True)
    part = await client.post(path, headers={**HTMX, "hx-target": "comments"}, data={"content": ""})
    assert (part.status_code, "<html" in part.text, "Write something first." in part.text) == (
        422,
        False,
        True,
    )


async def test_htmx_gets_the_parts_that_change(client: Client) -> None:
    owner, ben, model = await make_page(client)
    top = await say(client, ben, model, "Hello")
    await client.sign_in(owner)
    path = f"/comments/model/{model}"
    part = await client.get(path, headers={**HTMX, "hx-target": "comments"})
    assert part.text.lstrip().startswith("<section")
    form = await client.get(f"/comment/{top}/reply", headers={**HTMX, "hx-target": f"answer-{top}"})
    # Its place is made as it goes, so the whole page is not what is wanted.
    assert "<html" not in form.text
    answered = await client.post(
        path, headers={**HTMX, "hx-target": f"answer-{top}"}, data={"content": "Welcome", "parent": str(top)}
    )
    assert answered.headers["hx-retarget"] == f"#branch-{top}"
    assert "Welcome" in answered.text
    hidden = await client.post(f"/comment/{top}/hide", headers=HTMX)
    assert "Show again" in hidden.text
    restored = await client.post(f"/comment/{top}/restore", headers=HTMX)
    assert "Show again" not in restored.text
    pinned = await client.post(f"/comment/{top}/pin", headers=HTMX)
    assert (pinned.headers["hx-retarget"], "pinned-branches" in pinned.text) == ("#comments", True)
    locked = await client.post(f"{path}/lock", headers=HTMX, data={"locked": "true"})
    assert "This discussion is closed." in locked.text
    assert (await client.post(f"/comment/{top}/explode", headers=HTML)).status_code == 404


async def test_strangers_read_and_are_asked_to_sign_in(client: Client) -> None:
    owner, ben, model = await make_page(client)
    top = await say(client, ben, model, "Hello")
    for number in range(45):
        async with client.house.database.unit() as session:
            staff = await make_person(session, role="moderator")
        await say(client, staff, model, f"Answer {number}", below=top)
    page = (await client.page(f"/comments/model/{model}")).text
    assert "Sign in to take part" in page
    assert "Show 5 more answers" in page
    assert "Answer 39" in page
    assert "Answer 40" not in page
    more = page.split(f'href="/comment/{top}/replies')[1].split('"')[0].replace("&amp;", "&")
    rest = await client.get(f"/comment/{top}/replies{more}", headers=HTMX)
    assert "Answer 44" in rest.text
    assert (await client.page(f"/comment/{top}/replies{more}")).status_code == 200
    async with client.house.database.unit() as session:
        await keeping.hide(session, await actor_named(session, owner), comment_id=top)
    page = (await client.page(f"/comments/model/{model}")).text
    assert "Hello" not in page
    assert "Answer 1" in page
    for path in (
        "/comments/model/7777777",
        "/comments/nothing/1",
        "/comment/7777777",
        f"/comments/user/{ben}",
    ):
        assert (await client.page(path)).status_code == 404
    assert (await client.page(f"/comment/{top}/reply")).status_code == 303


def test_mentions_lead_to_people_and_nowhere_else() -> None:
    names = frozenset({"ana", "ben_w"})
    html = str(prose.markdown("Hi @Ana, [@ana](/x) `@ana` @eve <b>@ben_w</b> mail@ana", names))
    assert html.count('href="/user/Ana"') == 1
    assert html.count('href="/user/') == 2
    assert "/user/eve" not in html
    assert "/user/" not in prose.markdown("@ana")


async def test_words_are_reacted_to_with_one_button(client: Client) -> None:
    _, ben, model = await make_page(client)
    first = await say(client, ben, model, "Nice")
    answer = await say(client, ben, model, "Very", first)
    path = f"/comments/model/{model}"
    assert 'aria-label="Reactions"' not in (await client.page(path)).text, (
        "strangers see what there is: nothing"
    )
    await client.sign_in(ben)
    page = (await client.page(path)).text
    assert page.count('class="reactions quiet"') == 2
    back = await client.submit(f"/reactions/comment/{answer}", reaction="heart:on", back=f"/comment/{answer}")
    assert (back.status_code, back.headers["location"]) == (303, f"/comment/{answer}")
    part = await client.post(f"/reactions/comment/{answer}", headers=HTMX, data={"reaction": "like:on"})
    assert part.text.count('aria-pressed="true"') == 2 and "<html" not in part.text
    assert part.text.lstrip().startswith('<form class="reactions quiet"')
    await client.submit(f"/comment/{first}/remove")
    client.sign_out()
    page = (await client.page(path)).text
    assert page.count('class="reactions quiet"') == 1
    assert page.count('class="reaction"') == 2


async def test_only_who_is_signed_in_is_told_of_new_words(client: Client) -> None:
    _, ben, model = await make_page(client)
    await say(client, ben, model, "Nice")
    assert "data-new-comments" not in (await client.page(f"/comments/model/{model}")).text
    await client.sign_in(ben)
    page = (await client.page(f"/comments/model/{model}")).text
    assert "data-new-comments hidden" in page and f'data-thread="model:{model}"' in page
