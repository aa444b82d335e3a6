"""The commands that write to a server: publish and import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.exits import SomeFailed, UsageFault, exit_code
from civitas.faces.cli.hashing import HashCache
from civitas.faces.cli.headers import suggest
from civitas.faces.cli.importing import Mirror, Plan, Wanted
from civitas.faces.cli.manifest import (
    FILENAME,
    Manifest,
    ManifestImage,
    ManifestVersion,
    check,
    from_paths,
    load,
    template,
)
from civitas.faces.cli.profiles import choose
from civitas.faces.cli.publishing import Order, Writer, publish
from civitas.faces.cli.sessions import (
    AGAIN,
    ConnectionsOption,
    JsonOption,
    PatienceOption,
    ProfileOption,
    Session,
    session,
)
from civitas.faces.cli.states import State
from civitas.kit.errors import Unauthorised


def publish_command(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A model file, or a folder of one version.")
    ] = Path(),
    manifest: Annotated[Path | None, typer.Option("--manifest", "-m", help=f"A {FILENAME}.")] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented manifest instead, and stop.")
    ] = False,
    model: Annotated[
        int | None, typer.Option("--model", help="Add a version to this model of yours.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name")] = None,
    kind: Annotated[str | None, typer.Option("--type", "-t", help="LORA, Checkpoint, ...")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Name of the version.")] = None,
    base_model: Annotated[str | None, typer.Option("--base-model", "-b")] = None,
    description: Annotated[str | None, typer.Option("--description")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None,
    words: Annotated[list[str] | None, typer.Option("--word", help="Trigger word; may be repeated.")] = None,
    images: Annotated[list[Path] | None, typer.Option("--image", help="Preview; may be repeated.")] = None,
    nsfw: Annotated[bool | None, typer.Option("--nsfw/--sfw")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Upload everything, publish nothing.")] = False,
    connections: ConnectionsOption = 4,
    patience: PatienceOption = 120.0,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Publish a model: upload its files and images, wait for the safety scan, make it public."""
    with session(profile, json=json, patience=patience, connections=connections, resumable=AGAIN) as run:
        path = path.expanduser()
        plan = _planned(path, manifest)
        facts = {
            "name": name,
            "type": kind,
            "description": description,
            "tags": tuple(tags) if tags else None,
            "nsfw": nsfw,
        }
        told = {"name": version, "base_model": base_model, "trained_words": tuple(words) if words else None}
        plan = _amended(plan, facts, told, images or [])
        if init:
            _write_manifest(run, plan, path, manifest)
            return
        check(plan, existing_model=model is not None, draft=draft)
        if not run.profile.key:
            raise Unauthorised(f"Publishing on {run.profile.url} needs a key; use `civitas login`.")
        subject = str((manifest or path).resolve())
        state = State("publish", run.profile.url, subject, str(model or ""))
        cache = HashCache()
        writer = Writer(run.client(), state, run.settings(cache=cache), cache)
        result = publish(writer, Order(plan, model, draft))
        if json:
            run.output.result(result)
        how = "Published" if result["status"] == "Published" else "Uploaded as a draft"
        run.output.line(f"{how}: {result['url']}", "green")


def _planned(path: Path, manifest: Path | None) -> Manifest:
    if manifest is not None:
        return load(manifest.expanduser())
    if path.is_dir() and (path / FILENAME).is_file():
        return load(path / FILENAME)
    return load(path) if path.suffix.lower() == ".toml" else from_paths(path)


def _amended(plan: Manifest, facts: dict[str, Any], told: dict[str, Any], images: Sequence[Path]) -> Manifest:
    """The plan with what flags say; a flag about a version means the first one."""
    model = plan.model.model_copy(update={key: value for key, value in facts.items() if value is not None})
    versions = list(plan.version) or [ManifestVersion()]
    changes = {key: value for key, value in told.items() if value is not None}
    if images:
        changes["image"] = tuple(ManifestImage(path=image.expanduser().resolve()) for image in images)
    versions[0] = versions[0].model_copy(update=changes)
    return Manifest(model=model, version=tuple(versions))


def _write_manifest(run: Session, plan: Manifest, path: Path, manifest: Path | None) -> None:
    folder = path if path.is_dir() else path.parent
    target = manifest or folder / FILENAME
    if target.exists():
        raise UsageFault(f"{target} exists already; edit it, or delete it first.")
    first = plan.version[0].file[0].path if plan.version and plan.version[0].file else None
    hints = suggest(first) if first else None
    facts = {"network rank": hints.rank, "network alpha": hints.alpha} if hints else {}
    target.write_text(template(plan, folder, facts), encoding="utf-8")
    run.output.line(f"Wrote {target}; look it over, then run `civitas publish {folder}`.", "green")
    if run.output.json:
        run.output.result({"manifest": str(target)})


def import_command(
    source: Annotated[
        str, typer.Option("--from", help="Server to mirror from: an address or a profile's name.")
    ],
    model: Annotated[int | None, typer.Option("--model", help="This model with all its versions.")] = None,
    version: Annotated[int | None, typer.Option("--version", help="Only this version.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", help="Models of this person.")] = None,
    words: Annotated[str | None, typer.Option("--search", help="Models that this search finds.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Profile of the server to write to.")] = None,
    with_: Annotated[
        str, typer.Option("--with", help="files,images: what to bring beside the metadata.")
    ] = "files,images",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10000, help="Most models.")] = 20,
    max_images: Annotated[int, typer.Option("--max-images", min=0, max=100, help="Of each version.")] = 8,
    nsfw: Annotated[bool, typer.Option("--nsfw", help="Include what is not safe for work.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Publish nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    connections: ConnectionsOption = 4,
    patience: PatienceOption = 600.0,
    json: JsonOption = False,
) -> None:
    """Mirror models from Civitai or another Civitas, with their maker's name, permissions and source link kept.

    A key for the source is taken from its profile or from CIVITAS_SOURCE_KEY.
    """
    with session(target, json=json, patience=patience, connections=connections, resumable=AGAIN) as run:
        parts = {part.strip() for part in with_.split(",") if part.strip()}
        if parts - {"files", "images", "none"}:
            raise UsageFault("--with takes files, images, both with a comma, or none.")
        if (
            sum(value is not None for value in (model, version)) + (creator is not None or words is not None)
            != 1
        ):
            raise UsageFault("Say what to mirror: --model, --version, or --creator and --search.")
        if not run.profile.key and not dry_run:
            raise Unauthorised(f"Writing to {run.profile.url} needs a key; use `civitas login`.")
        pairs = (("username", creator), ("query", words), ("nsfw", "true" if nsfw else None))
        wanted = Wanted(model, version, tuple((key, value) for key, value in pairs if value), limit, nsfw)
        plan = Plan("files" in parts, "images" in parts, max_images, draft, dry_run)
        origin = _source(run, source)
        if origin.url == run.profile.url:
            raise UsageFault("The source and the target are the same server.")
        state = State("import", origin.url, run.profile.url)
        cache = HashCache()
        mirror = Mirror(origin, Writer(run.client(), state, run.settings(cache=cache), cache), plan)
        reports = []
        for report in mirror.run(wanted):
            reports.append(report)
            where = f" -> {run.profile.url}/models/{report.target_id}" if report.target_id else ""
            why = f" ({report.reason})" if report.reason else ""
            run.output.line(f"{report.status:9} {report.source_id} {report.name}{where}{why}")
        if json:
            run.output.result({"models": [report.row() for report in reports]})
        failed = [report for report in reports if report.status == "failed"]
        if failed:
            fault = SomeFailed(f"{len(failed)} of {len(reports)} models failed.")
            run.output.notice(f"error: {fault.message}", "bold red")
            raise typer.Exit(exit_code(fault))


def _source(run: Session, said: str) -> SiteClient:
    if said in run.book.profiles:
        return run.client(choose(said, {}, run.book))
    profile = run.profile_of(said)
    key = os.environ.get("CIVITAS_SOURCE_KEY")
    return SiteClient(
        profile.url, key or profile.key, patience=run.patience, notify=run.output.notice, stop=run.stop
    )
