"""Devices over the API: which browsers are told of notifications while the site is closed (Web Push)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field

from civitas.domains.community.notifications import push_devices
from civitas.domains.community.notifications.push_devices import Device, Subscription
from civitas.faces.http.browsers import browser_name
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import is_safe_site
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit.errors import Conflict
from civitas.kit.webpush import VapidKey

router = APIRouter(prefix="/notifications/push", tags=["Notifications"], dependencies=[CheckedForm])

DeviceId = Annotated[int, Path(ge=1, le=2**62)]


class DeviceShown(Answer):
    """A browser that is told. `current` is whether this session registered it."""

    id: int
    name: str
    service: str = Field(description="The host of its push service.")
    created_at: datetime
    last_sent_at: datetime | None
    current: bool


class Push(Answer):
    """What a browser needs to subscribe, and those that did."""

    enabled: bool
    public_key: str = Field(description="The `applicationServerKey` (RFC 8292), base64url.")
    devices: list[DeviceShown]


class BrowserKeys(Body):
    """The keys of a subscription, base64url."""

    p256dh: str = Field(max_length=200)
    auth: str = Field(max_length=60)


class NewDevice(Body):
    """What `PushSubscription.toJSON()` gives, and a name; without one it is called as the browser calls itself."""

    endpoint: str = Field(max_length=2048)
    keys: BrowserKeys
    name: str | None = Field(default=None, max_length=push_devices.LONGEST_NAME)
    expiration_time: float | None = None


class DeviceName(Body):
    """What a device is called."""

    name: str = Field(max_length=200)


@router.get("", operation_id="getPush", summary="Get The Key To Subscribe With And One's Devices")
async def get_push(request: Request, owner: Owner, session: Reading) -> Push:
    """What is needed to subscribe, and the devices that are told."""
    await take(request, "read")
    state = state_of(request)
    return Push(
        enabled=state.settings.push.enabled,
        public_key=VapidKey.derived(state.secret).public,
        devices=[_shown(one) for one in await push_devices.mine(session, owner)],
    )


@router.post("/devices", operation_id="registerPushDevice", summary="Have A Browser Told", status_code=201)
async def register(request: Request, body: NewDevice, writer: Writer, session: Unit) -> DeviceShown:
    """Register the subscription of a browser; the same one again changes nothing but whose it is.

    A device that a signed-in browser registers goes when that session ends.
    """
    settings = state_of(request).settings.push
    if not settings.enabled:
        raise Conflict("Nothing is pushed on this site.", code="push_is_off")
    made = await push_devices.register(
        session,
        writer,
        subscription=Subscription(body.endpoint, body.keys.p256dh, body.keys.auth),
        name=body.name or browser_name(request.headers.get("user-agent", "")),
        safe=is_safe_site(request),
        own_hosts={host.lower() for host in settings.development_hosts},
    )
    return next(_shown(one) for one in await push_devices.mine(session, writer) if one.id == made)


@router.patch(
    "/devices/{device_id}", operation_id="renamePushDevice", summary="Rename A Device", status_code=204
)
async def rename(device_id: DeviceId, body: DeviceName, writer: Writer, session: Unit) -> None:
    """Give a device of yours another name."""
    await push_devices.rename(session, writer, device_id=device_id, name=body.name)


@router.delete(
    "/devices/{device_id}", operation_id="removePushDevice", summary="Remove A Device", status_code=204
)
async def remove(device_id: DeviceId, writer: Writer, session: Unit) -> None:
    """Tell this device no more."""
    await push_devices.revoke(session, writer, device_id=device_id)


@router.post(
    "/devices/{device_id}/try", operation_id="tryPushDevice", summary="Try A Device", status_code=202
)
async def try_out(device_id: DeviceId, writer: Writer, session: Unit) -> None:
    """Send a device of yours a few words, to see that they arrive."""
    await push_devices.try_out(session, writer, device_id=device_id)


def _shown(one: Device) -> DeviceShown:
    return DeviceShown(
        id=one.id,
        name=one.name,
        service=one.service,
        created_at=one.created_at,
        last_sent_at=one.last_sent_at,
        current=one.current,
    )
