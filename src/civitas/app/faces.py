"""Which routers and routes make up the site, in the order in which they are matched."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from civitas.app.house import House
from civitas.faces.http import health, image_routes, storage_routes
from civitas.faces.rest import (
    creators,
    downloads,
    enums,
    fast,
    files,
    images,
    keys,
    lineage,
    me,
    openapi,
    people,
    pictures,
    publishing,
    tags,
    uploads,
    users,
)
from civitas.faces.web import (
    account,
    api_docs,
    api_keys,
    assets,
    comparing,
    email_change,
    home,
    join,
    lineage_page,
    mailbox,
    model_fork,
    model_history,
    model_manage,
    model_page,
    models,
    onboarding,
    own_downloads,
    own_models,
    passkeys,
    password_reset,
    personal_data,
    plain_uploads,
    preference_pages,
    profile,
    proof,
    publish_about,
    publish_files,
    publish_origins,
    publish_pictures,
    publish_review,
    publish_version,
    security,
    seo,
    sign_in,
    social_login,
    staff,
    staff_people,
    staff_rulings,
    suggest,
    two_step,
    visits,
)
from civitas.faces.web import creators as creator_pages
from civitas.faces.web import people as people_pages
from civitas.faces.web import tags as tag_pages
from civitas.infra.settings import Settings

# Below /api/v1, beside the fast lane. Add a router here and nowhere else.
API: tuple[APIRouter, ...] = (
    openapi.router,
    creators.router,
    tags.router,
    users.router,
    enums.router,
    downloads.router,
    publishing.router,
    files.router,
    uploads.router,
    pictures.router,
    images.router,
    me.router,
    keys.router,
    people.router,
)
# Pages, at the site's root. Add a router here and nowhere else.
PAGES: tuple[APIRouter, ...] = (
    home.router,
    # Before the pages of models, whose `/models/{id}/{slug}` would take `/models/{id}/edit`.
    publish_about.router,
    publish_version.router,
    publish_origins.router,
    publish_files.router,
    publish_pictures.router,
    publish_review.router,
    model_manage.router,
    model_history.router,
    model_fork.router,
    plain_uploads.router,
    own_models.router,
    own_downloads.router,
    staff.router,
    staff_rulings.router,
    staff_people.router,
    suggest.router,
    models.router,
    creator_pages.router,
    tag_pages.router,
    seo.router,
    api_docs.router,
    join.router,
    sign_in.router,
    password_reset.router,
    social_login.router,
    passkeys.router,
    onboarding.router,
    proof.router,
    account.router,
    email_change.router,
    preference_pages.router,
    security.router,
    two_step.router,
    api_keys.router,
    people_pages.router,
    personal_data.router,
    profile.router,
    mailbox.router,
    lineage_page.router,
    comparing.router,
    # Last: `/models/7/anything` is a model's page unless somebody above wants it.
    model_page.router,
)


def include(app: FastAPI, settings: Settings) -> None:
    """Add every route; the hottest ones come early, because routes are tried in order."""
    # Before the fast lane, whose `/model-versions/{id}` would take `/model-versions/compare`.
    app.include_router(lineage.router, prefix=openapi.PREFIX)
    app.router.routes.extend([*fast.routes, *downloads.routes])
    app.router.routes.extend([*storage_routes.routes, *image_routes.routes, *assets.static_routes()])
    app.include_router(health.router)
    for router in API:
        app.include_router(router, prefix=openapi.PREFIX)
    for router in PAGES:
        app.include_router(router)


def started(app: FastAPI, house: House) -> None:
    """Called once the adapters are open: what faces prepare for a process's life."""
    app.state.civitas.error_page = visits.show_fault
    app.state.civitas.api_document = openapi.document
