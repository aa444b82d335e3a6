"""The reviews of a model's page."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.catalog import make_model, make_published_model
from tests.factories.http import HTMX, Client

from civitas.domains.catalog import rebuilding


async def test_writing_reading_and_leaving_out(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, ben = await make_person(session), await make_person(session, "ben_p")
        model, (version, _) = await make_published_model(session, owner, versions=2)
        draft = await make_model(session, owner)
        await rebuilding.rebuild(session, [model])
    path = f"/models/{model}/reviews"
    assert f'hx-get="{path}?modelVersionId={version}"' in (await client.page(f"/models/{model}")).text
    assert "Sign in to review it" in (await client.page(path)).text
    assert (await client.page(f"/models/{draft}/reviews")).status_code == 404
    await client.sign_in(ben)
    await client.page(path)
    wrong = await client.submit(path, version=version, content="Why")
    assert ("Say whether you recommend it." in wrong.text, ">Why</textarea>" in wrong.text) == (True, True)
    no_post = await client.submit(path, version=version, recommended="yes", post="77777")
    assert "This is not a post of yours." in no_post.text
    made = await client.submit(path, version=version, recommended="yes", content="*Sharp* lines")
    assert made.status_code == 303
    page = (await client.page(path, only=version)).text
    assert "<em>Sharp</em>" in page
    assert "100%" in page
    assert "Take it back" in page
    review = page.split('id="review-')[1].split('"')[0]
    where = page.split('href="/reviews/')[1].split('"')[0]
    assert (await client.page(f"/reviews/{where}")).status_code == 200
    assert review
    await client.sign_in(owner)
    part = await client.post(f"/reviews/{where}/exclude", headers=HTMX, data={"excluded": "true"})
    assert ("Not counted" in part.text, "100%" in part.text, "<html" in part.text) == (True, False, False)
    await client.sign_in(ben)
    gone = await client.post(path, headers=HTMX, data={"version": str(version), "remove": "true"})
    assert "Nobody has reviewed it yet." in gone.text
    assert (await client.page(f"/reviews/{where}")).status_code == 404
