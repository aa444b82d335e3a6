"""Which routers and routes make up the site, in the order in which they are matched."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from civitas.app.house import House
from civitas.faces.hooks import payments as payment_hooks
from civitas.faces.http import health, image_routes, storage_routes
from civitas.faces.http.directory import Directory
from civitas.faces.http.doors import answer_head
from civitas.faces.live import balances, commenting, making, notices, talking
from civitas.faces.orchestrator import agents
from civitas.faces.orchestrator import routes as orchestrator
from civitas.faces.rest import (
    access,
    announcements,
    article_media,
    articles,
    boards,
    bonuses,
    buying,
    buzz,
    callbacks,
    chats,
    collaborators,
    collection_boards,
    collection_items,
    collections,
    comments,
    creators,
    downloads,
    earning,
    enums,
    fast,
    files,
    following_feed,
    generations,
    graphs,
    image_facts,
    images,
    keys,
    lineage,
    me,
    openapi,
    people,
    pictures,
    placements,
    post_lists,
    posts,
    programme,
    publishing,
    push,
    reactions,
    referrals,
    reviews,
    searches,
    shop,
    staff_buzz,
    staff_media,
    staff_studio,
    studio,
    tags,
    uploads,
    users,
)
from civitas.faces.rest import home as rest_home
from civitas.faces.rest import memberships as rest_memberships
from civitas.faces.rest import notifications as rest_notifications
from civitas.faces.rest import staff_memberships as rest_staff_memberships
from civitas.faces.web import (
    access_pages,
    account,
    api_docs,
    api_keys,
    article_desk,
    assets,
    chat,
    collection_edit,
    collection_save,
    community_page,
    comparing,
    create,
    create_chosen,
    create_deeds,
    create_graph,
    create_kept,
    create_source,
    development_checkout,
    earn,
    economy_rules,
    email_change,
    following,
    home,
    home_arranging,
    house_slot,
    image_deeds,
    image_feeds,
    image_many,
    image_viewer,
    installing,
    join,
    keeping_away,
    leaderboard,
    lineage_page,
    mailbox,
    membership_gifts,
    memberships,
    model_fork,
    model_history,
    model_manage,
    model_page,
    models,
    onboarding,
    own_downloads,
    own_models,
    own_pictures,
    passkeys,
    password_reset,
    personal_data,
    picture_graph,
    placement_desk,
    placement_offer,
    plain_uploads,
    post_deeds,
    post_editor,
    post_page,
    preference_pages,
    profile,
    profile_arranging,
    programme_cash_pages,
    programme_pages,
    proof,
    publish_about,
    publish_access,
    publish_files,
    publish_origins,
    publish_pictures,
    publish_review,
    publish_version,
    security,
    seo,
    shared_models,
    shop_selling,
    sign_in,
    social_login,
    staff,
    staff_cash,
    staff_ledger,
    staff_machines,
    staff_memberships,
    staff_people,
    staff_prompts,
    staff_purchases,
    staff_rewards,
    staff_rulings,
    suggest,
    switching,
    tip_list,
    tipping,
    two_step,
    unsubscribing,
    version_picker,
    visits,
    wallet,
    wallet_statement,
    workflows,
)
from civitas.faces.web import announcements as announcement_pages
from civitas.faces.web import article_media as article_media_pages
from civitas.faces.web import articles as article_pages
from civitas.faces.web import buying as buying_pages
from civitas.faces.web import collection_boards as board_pages
from civitas.faces.web import collections as collection_pages
from civitas.faces.web import comments as comment_pages
from civitas.faces.web import creators as creator_pages
from civitas.faces.web import notifications as notification_pages
from civitas.faces.web import people as people_pages
from civitas.faces.web import reviews as review_pages
from civitas.faces.web import searches as search_pages
from civitas.faces.web import shop as shop_pages
from civitas.faces.web import staff_media as staff_media_pages
from civitas.faces.web import tags as tag_pages
from civitas.infra.settings import Settings

# Below /api/v1, beside the fast lane. Add a router here and nowhere else.
API: tuple[APIRouter, ...] = (
    openapi.router,
    access.router,
    creators.router,
    collections.router,
    collection_items.router,
    collection_boards.router,
    rest_home.router,
    tags.router,
    users.router,
    enums.router,
    downloads.router,
    publishing.router,
    files.router,
    uploads.router,
    pictures.router,
    post_lists.router,
    posts.router,
    image_facts.router,
    placements.router,
    collaborators.router,
    reactions.router,
    me.router,
    keys.router,
    people.router,
    following_feed.router,
    buzz.router,
    staff_buzz.router,
    earning.router,
    bonuses.router,
    referrals.router,
    buying.router,
    rest_memberships.router,
    rest_staff_memberships.router,
    shop.router,
    studio.router,
    generations.router,
    graphs.router,
    staff_studio.router,
    staff_media.router,
    programme.router,
    callbacks.router,
    articles.router,
    article_media.router,
    chats.router,
    announcements.router,
    boards.router,
    comments.router,
    reviews.router,
    rest_notifications.router,
    push.router,
    searches.router,
)
# Pages, at the site's root. Add a router here and nowhere else.
PAGES: tuple[APIRouter, ...] = (
    home.router,
    following.router,
    image_feeds.router,
    image_viewer.router,
    image_deeds.router,
    image_many.router,
    own_pictures.router,
    picture_graph.router,
    placement_offer.router,
    placement_desk.router,
    home_arranging.router,
    # Before the pages of models, whose `/models/{id}/{slug}` would take `/models/{id}/edit`.
    publish_about.router,
    publish_version.router,
    publish_access.router,
    publish_origins.router,
    publish_files.router,
    publish_pictures.router,
    publish_review.router,
    model_manage.router,
    model_history.router,
    model_fork.router,
    plain_uploads.router,
    post_editor.router,
    post_deeds.router,
    post_page.router,
    community_page.router,
    own_models.router,
    shared_models.router,
    access_pages.router,
    own_downloads.router,
    wallet.router,
    wallet_statement.router,
    economy_rules.router,
    memberships.router,
    membership_gifts.router,
    create.router,
    create_deeds.router,
    create_graph.router,
    create_kept.router,
    create_chosen.router,
    version_picker.router,
    create_source.router,
    workflows.router,
    staff_machines.router,
    staff_media_pages.router,
    shop_pages.router,
    shop_selling.router,
    programme_pages.router,
    programme_cash_pages.router,
    staff.router,
    staff_cash.router,
    staff_rulings.router,
    staff_people.router,
    staff_prompts.router,
    staff_rewards.router,
    staff_purchases.router,
    staff_memberships.router,
    staff_ledger.router,
    collection_save.router,
    collection_edit.router,
    board_pages.router,
    collection_pages.router,
    suggest.router,
    models.router,
    creator_pages.router,
    chat.router,
    announcement_pages.router,
    leaderboard.router,
    # Before the reader, whose `/articles/{id}/{name}` would take `/articles/7/edit`.
    article_desk.router,
    article_media_pages.router,
    article_pages.router,
    tag_pages.router,
    seo.router,
    installing.router,
    house_slot.router,
    api_docs.router,
    join.router,
    sign_in.router,
    password_reset.router,
    social_login.router,
    passkeys.router,
    switching.router,
    onboarding.router,
    proof.router,
    account.router,
    email_change.router,
    preference_pages.router,
    security.router,
    two_step.router,
    unsubscribing.router,
    api_keys.router,
    people_pages.router,
    keeping_away.router,
    buying_pages.router,
    development_checkout.router,
    personal_data.router,
    profile_arranging.router,
    profile.router,
    mailbox.router,
    earn.router,
    tipping.router,
    tip_list.router,
    lineage_page.router,
    comparing.router,
    comment_pages.router,
    review_pages.router,
    notification_pages.router,
    search_pages.router,
    # Last: `/models/7/anything` is a model's page unless somebody above wants it.
    model_page.router,
)


def include(app: FastAPI, settings: Settings) -> None:
    """Add every route; those whose paths begin alike are tried in this order."""
    directory = Directory()
    # Before the fast lane, whose `/model-versions/{id}` would take `/model-versions/compare`.
    directory.include(app, lineage.router, prefix=openapi.PREFIX)
    plain: list[BaseRoute] = [*fast.routes, *images.routes, *downloads.routes, *agents.routes]
    plain += [*storage_routes.routes, *image_routes.routes, *assets.static_routes()]
    for route in plain:
        directory.note(route, [getattr(route, "path", "")])
    app.router.routes.extend(plain)
    answer_head(health.router)
    directory.include(app, health.router)
    directory.include(app, balances.router)
    directory.include(app, making.router)
    directory.include(app, talking.router)
    directory.include(app, notices.router)
    directory.include(app, commenting.router)
    for router in API:
        directory.include(app, router, prefix=openapi.PREFIX)
    orchestrator.include(app, directory)
    directory.include(app, payment_hooks.router)
    for router in PAGES:
        answer_head(router)
        directory.include(app, router)
    directory.open(app)


def started(app: FastAPI, house: House) -> None:
    """Called once the adapters are open: what faces prepare for a process's life."""
    app.state.civitas.error_page = visits.show_fault
    app.state.civitas.api_document = openapi.document
