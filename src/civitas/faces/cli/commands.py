"""The commands for users: who I am, what there is. `user_app` holds all of them; app mounts it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from civitas.faces.cli import moving, writing
from civitas.faces.cli.client import Params, SiteClient
from civitas.faces.cli.exits import UsageFault, table
from civitas.faces.cli.profiles import (
    DEFAULT_URL,
    Profile,
    forget,
    of_origin,
    origin_of,
    profile_name,
    read_book,
    remember,
    tidy_url,
    write_book,
)
from civitas.faces.cli.records import Json, RemoteVersion, as_text
from civitas.faces.cli.references import look_up, parse
from civitas.faces.cli.rendering import Output, show_model, show_models
from civitas.faces.cli.sessions import JsonOption, PatienceOption, ProfileOption, reported, session
from civitas.kit.errors import Unauthorised

SORTS = (
    "Highest Rated",
    "Most Downloaded",
    "Most Liked",
    "Most Discussed",
    "Most Collected",
    "Most Images",
    "Newest",
    "Oldest",
)
PERIODS = ("AllTime", "Year", "Month", "Week", "Day")
TYPES = (
    "Checkpoint",
    "TextualInversion",
    "Hypernetwork",
    "AestheticGradient",
    "LORA",
    "LoCon",
    "DoRA",
    "Controlnet",
    "Upscaler",
    "MotionModule",
    "VAE",
    "TextEncoder",
    "UNet",
    "CLIPVision",
    "Poses",
    "Wildcards",
    "Workflows",
    "ComfyWorkflows",
    "Detection",
    "VisionLanguage",
    "CLIP",
    "LLM",
    "Other",
)

user_app = typer.Typer(no_args_is_help=True, help="Find, fetch, publish and identify models.", epilog=table())


def named(said: str, names: tuple[str, ...], what: str) -> str:
    """The name on the wire for what a person typed, without regard to case, spaces and dashes.

    Raises UsageFault with the list of names.
    """
    plain = "".join(ch for ch in said.lower() if ch.isalnum())
    for name in names:
        if plain == name.lower().replace(" ", ""):
            return name
    raise UsageFault(f"{said!r} is no {what}; there are: {', '.join(names)}.")


@user_app.command(epilog=table())
def login(
    url: Annotated[
        str | None, typer.Option("--url", help="The server, such as https://models.example.org")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The API key; - reads it from stdin, which keeps it out of `ps`."),
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", "-p", help="Name to keep it under.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Use this server from now on.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page of keys.")] = True,
    json: JsonOption = False,
) -> None:
    """Keep a server and an API key for later commands, after checking that the key holds."""
    output = Output(json=json)
    with reported(output):
        book = read_book()
        name = profile_name(profile) if profile else None
        known = book.profiles.get(name or book.default or "")
        address = tidy_url(url or os.environ.get("CIVITAS_URL") or (known.url if known else DEFAULT_URL))
        if name is None:
            same = of_origin(book, address)
            name = same.name if same else origin_of(address)[1].replace(".", "-").replace(":", "-")[:40]
        client = SiteClient(address, _read_key(output, address, key, browser), attempts=3)
        try:
            me = client.me()
        finally:
            client.close()
        who = as_text(me.get("username")) or as_text(me.get("id"))
        kept = Profile(name, address, client.key, who)
        write_book(remember(book, kept, make_default=default))
        output.line(f"Signed in to {address} as {who}, kept as profile {name}.", "green")
        if json:
            output.result({"profile": name, "url": address, "username": who})


def _read_key(output: Output, address: str, key: str | None, browser: bool) -> str:
    if key == "-" or (key is None and not sys.stdin.isatty()):
        key = sys.stdin.readline()
    elif key is None:
        page = f"{address}/user/account" if address.endswith("civitai.com") else f"{address}/account/keys"
        output.notice(f"Make a key at {page} and paste it here.", "")
        if browser:
            typer.launch(page)
        key = str(typer.prompt("API key", hide_input=True, err=True))
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or len(key) > 4096:
        raise UsageFault("That is not an API key; make one on the account page of the server.")
    return key


@user_app.command()
def logout(profile: ProfileOption = None, json: JsonOption = False) -> None:
    """Forget the key of a profile. The key itself stays valid until it is revoked on the server."""
    output = Output(json=json)
    with reported(output):
        book = read_book()
        name = profile or book.default
        if name is None:
            raise Unauthorised("Nobody is signed in.")
        write_book(forget(book, name))
        output.line(f"Forgot profile {name}.")
        if json:
            output.result({"profile": name})


@user_app.command()
def whoami(
    profile: ProfileOption = None,
    every: Annotated[bool, typer.Option("--all", help="List all profiles instead; asks no server.")] = False,
    json: JsonOption = False,
) -> None:
    """Say which server and which account the next command uses."""
    with session(profile, json=json) as run:
        if every:
            rows = [
                {
                    "profile": p.name,
                    "url": p.url,
                    "username": p.username,
                    "default": p.name == run.book.default,
                }
                for p in run.book.profiles.values()
            ]
            if json:
                run.output.result({"profiles": rows})
            else:
                cells = [
                    (str(r["profile"]), str(r["url"]), str(r["username"]), "yes" if r["default"] else "")
                    for r in rows
                ]
                run.output.table(("Profile", "Server", "Account", "Default"), cells)
            return
        if not run.profile.key:
            raise Unauthorised(f"Nobody is signed in at {run.profile.url}; use `civitas login`.")
        me = run.client().me()
        run.output.line(f"{as_text(me.get('username'))} at {run.profile.url} (profile {run.profile.name})")
        if json:
            run.output.result({**me, "profile": run.profile.name, "url": run.profile.url})


@user_app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words, also #tag @creator hash: base:")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", "-t", help="Model type; may be repeated.")
    ] = None,
    base_models: Annotated[
        list[str] | None, typer.Option("--base-model", "-b", help="May be repeated.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag")] = None,
    creator: Annotated[str | None, typer.Option("--creator", "-c")] = None,
    sort: Annotated[str | None, typer.Option("--sort", "-s", help=", ".join(SORTS))] = None,
    period: Annotated[str | None, typer.Option("--period", help=", ".join(PERIODS))] = None,
    nsfw: Annotated[bool, typer.Option("--nsfw", help="Include models that are not safe for work.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=5000)] = 20,
    patience: PatienceOption = 120.0,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Find models."""
    with session(profile, json=json, patience=patience) as run:
        params = search_params(words, types, base_models, tag, creator, sort, period, nsfw)
        models = list(run.client().models(params, limit=limit))
        if json:
            run.output.result({"items": [model.raw for model in models]})
        elif models:
            show_models(run.output, models)
        else:
            run.output.line("Nothing found.")


def search_params(
    words: list[str] | None,
    types: list[str] | None,
    base_models: list[str] | None,
    tag: str | None,
    creator: str | None,
    sort: str | None,
    period: str | None,
    nsfw: bool,
) -> Params:
    """The query of `GET /models` for the options of a search. Raises UsageFault for unknown names."""
    params = [("query", " ".join(words))] if words else []
    params += [("types", named(kind, TYPES, "model type")) for kind in types or []]
    params += [("baseModels", name) for name in base_models or []]
    pairs = (
        ("tag", tag),
        ("username", creator),
        ("sort", named(sort, SORTS, "order") if sort else None),
        ("period", named(period, PERIODS, "period") if period else None),
        ("nsfw", "true" if nsfw else None),
    )
    return params + [(key, value) for key, value in pairs if value]


@user_app.command()
def show(
    reference: Annotated[
        str, typer.Argument(metavar="MODEL|URL|AIR|HASH", help="123, 123@456, a page, an AIR, a hash")
    ],
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Show one model with the files of one version."""
    with session(profile, json=json) as run:
        wanted = parse(reference)
        client = run.client_of(wanted)
        target = look_up(client, wanted, with_model=True)
        version = target.version
        if target.model:
            fuller = (v for v in target.model.versions if v.id == version.id)
            version = next(fuller, version) if not version.files else version
            version = replace(version, model_id=target.model.id)
        if json:
            run.output.result(_shown(target.model.raw if target.model else None, version))
            return
        show_model(run.output, target.model, version, page_of(client, version))


def _shown(model: Json | None, version: RemoteVersion) -> dict[str, Any]:
    return {"model": model, "version": version.raw}


def page_of(client: SiteClient, version: RemoteVersion) -> str:
    """The page of a version on its server."""
    return f"{client.url}/models/{version.model_id}?modelVersionId={version.id}"


@user_app.command("open")
def open_page(
    reference: Annotated[str, typer.Argument(metavar="MODEL|URL|AIR|HASH")],
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Only print the address.")] = True,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Open the page of a model in the browser, and print its address."""
    with session(profile, json=json) as run:
        wanted = parse(reference)
        client = run.client_of(wanted)
        page = page_of(client, look_up(client, wanted).version)
        if json:
            run.output.result({"url": page})
        run.output.line(page)
        if browser and not json:
            typer.launch(page)


user_app.command("download", epilog=table())(moving.download_command)
user_app.command("identify", epilog=table())(moving.identify_command)
user_app.command("publish", epilog=table())(writing.publish_command)
user_app.command("import", epilog=table())(writing.import_command)

# An entry point that sees one of these first need not load what only a server needs.
USER_COMMANDS: frozenset[str] = frozenset(
    str(command.name or getattr(command.callback, "__name__", "")) for command in user_app.registered_commands
)
