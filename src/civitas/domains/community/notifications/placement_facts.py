"""What offers of placements, and their ends, tell whom."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PlacementApproved, PlacementEnded, PlacementOffered
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.facts import Told, about, shown
from civitas.domains.gallery.placements.tables import Placement

OFFERED, GIVEN = "/placements", "/placements?way=given"
_ENDS: Final = {
    "declined": "it was declined",
    "expired": "nobody answered in time, and your Buzz is back",
    "owner": "its owner took it away",
    "staff": "staff took it away",
    "site": "it is gone or no longer public, and what was not paid out came back",
}


async def offered(session: AsyncSession, event: PlacementOffered) -> Told:
    """Whose picture it is."""
    facts = await about(session, "image", event.image_id)
    row = await session.get(Placement, event.placement_id)
    if facts is None or row is None:
        return ()
    key, data = str(event.placement_id), shown(facts, OFFERED, quarters=row.price)
    return (Note("placement-offer", [event.owner_id], key, facts.subject, event.placer_id, data, once=True),)


async def approved(session: AsyncSession, event: PlacementApproved) -> Told:
    """Whoever asked, or the owner where everything is taken at once."""
    facts = await about(session, "image", event.image_id)
    if facts is None:
        return ()
    key, path = str(event.placement_id), f"/images/{event.image_id}"
    if event.by_owner:
        data = shown(facts, path, note="it is there now")
        return (Note("placement-answer", [event.placer_id], key, facts.subject, None, data),)
    data = shown(facts, path)
    return (Note("placement-placed", [event.owner_id], key, facts.subject, event.placer_id, data, once=True),)


async def ended(session: AsyncSession, event: PlacementEnded) -> Told:
    """Whoever placed it, unless they ended it themselves; the owner, too, when staff did."""
    facts = await about(session, "image", event.image_id)
    subject, data = (facts.subject, shown(facts)) if facts else (None, {"title": "a picture that is gone"})
    why = event.by if event.status == "removed" else event.status
    key, notes = f"{event.placement_id}:{why}", []
    if why in _ENDS:
        told = data | {"path": GIVEN, "note": _ENDS[why]}
        notes.append(Note("placement-answer", [event.placer_id], key, subject, None, told, once=True))
    if why == "staff":
        told = data | {"path": OFFERED, "note": _ENDS[why]}
        notes.append(Note("placement-gone", [event.owner_id], key, subject, None, told, once=True))
    return notes
