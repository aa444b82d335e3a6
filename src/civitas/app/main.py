"""`civitas`: every command, for operators and for users."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from civitas import __version__
from civitas.app.console import err, load_settings, out, prepared, run_async
from civitas.kit.errors import Fault

# The long-lived processes; they must not carry what only the other commands need.
PROCESSES = frozenset({"up", "serve", "background", "index", "agent"})

app = typer.Typer(
    name="civitas",
    help="Share generative-AI models: run a hub of your own, or use one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="Fill an empty catalogue with marked demo content.")] = False,
    once_ready: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run everything: database, site, background tasks. Ctrl-C stops it."""
    from civitas.app.up import Supervisor

    Supervisor(prepared("up"), out).run(demo=demo, once_ready=once_ready)


@app.command()
def serve(fd: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Answer requests: pages and APIs. Any number of these may run behind a load balancer."""
    from civitas.app import lifeline, serving

    lifeline.end_with_supervisor()
    serving.serve(prepared("serve"), fd=fd)


@app.command()
def background(
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Only these queues: default, files, media, mail, callbacks, push."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Tasks at the same time.")] = 4,
) -> None:
    """Run background tasks: scans, pictures, mail, schedules. Any number of these may run."""
    from civitas.app import background as room
    from civitas.app import lifeline

    lifeline.end_with_supervisor()
    run_async(room.run(prepared("background"), queues=queue, concurrency=concurrency))


@app.command()
def index() -> None:
    """Keep an index of feeds and catalogue in memory, for what SQL is slow with. One on each serving machine."""
    from civitas.app import index as room
    from civitas.app import lifeline

    lifeline.end_with_supervisor()
    room.run(prepared("index"))


agents = typer.Typer(invoke_without_command=True)
app.add_typer(agents, name="agent")


@agents.callback()
def agent(
    context: typer.Context,
    server: Annotated[str | None, typer.Option(help="The address of the site to work for.")] = None,
    token: Annotated[
        str | None,
        typer.Option(help="The token that `civitas admin agents add` printed.", envvar="CIVITAS_AGENT_TOKEN"),
    ] = None,
    engines: Annotated[
        str | None, typer.Option(help="Which engines, with commas between: media, diffusers, comfy, openai.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, max=1024, help="Jobs at the same time.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where model files are kept.")] = None,
    name: Annotated[str | None, typer.Option(help="What operators see.")] = None,
    status_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="A page about the agent on 127.0.0.1.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Run the jobs on this Ray cluster: HOST:PORT, auto, or local for this machine alone."
        ),
    ] = None,
    plain: Annotated[bool, typer.Option(help="Log lines only, also on a terminal.")] = False,
) -> None:
    """Run jobs of a site on this machine: any number of agents, anywhere. Ctrl-C finishes what is claimed, and ends."""
    if context.invoked_subcommand is not None:
        return
    from civitas.app import agent as room
    from civitas.app import lifeline

    lifeline.end_with_supervisor()
    given = {
        "server": server,
        "token": token,
        "engines": [word.strip() for word in engines.split(",") if word.strip()] if engines else None,
        "slots": slots,
        "cache": cache,
        "name": name,
        "status_port": status_port,
    }
    settings = prepared("agent")
    if ray:
        settings.agent.ray.address = ray
    settings.agent = room.chosen(
        settings.agent, {key: value for key, value in given.items() if value is not None}
    )
    run_async(room.run(settings, console=out if out.is_terminal and not plain else None))


@agents.command("bench")
def bench(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="A checkpoint: a file, or a folder in diffusers' format. Tessera when left out."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT; what the kind of model was made for when left out.")
    ] = "",
    steps: Annotated[int, typer.Option(min=1, max=150)] = 20,
    pictures: Annotated[int, typer.Option(min=1, max=64, help="Pictures of each round.")] = 4,
    batch: Annotated[int, typer.Option(min=1, max=64, help="How many are computed together.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Rounds that the median is of.")] = 3,
    sampler: Annotated[str, typer.Option(help="As a recipe names it.")] = "eulerA",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the fastest when left out.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of a table.")] = False,
) -> None:
    """Tell how many images a second a checkpoint makes on this machine. It needs no site and no token."""
    from civitas.app import agent_bench

    agent_bench.run(
        load_settings().agent,
        checkpoint=checkpoint,
        size=size,
        steps=steps,
        pictures=pictures,
        batch=batch,
        rounds=rounds,
        sampler=sampler,
        device=device,
        as_json=json,
    )


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def _mount(command: str | None) -> None:
    """Add the commands that this call can need; importing the whole program takes seconds."""
    if command in PROCESSES:
        return
    from civitas.faces.cli.commands import USER_COMMANDS, user_app

    app.registered_commands += user_app.registered_commands
    app.registered_groups += user_app.registered_groups
    if command in USER_COMMANDS:
        return
    from civitas.app.commands import admin, buzz, db, demo, doctor, gallery

    app.add_typer(db.app, name="db")
    app.add_typer(admin.app, name="admin")
    app.add_typer(buzz.app, name="buzz")
    app.add_typer(gallery.app, name="gallery")
    app.add_typer(demo.app, name="demo")
    app.command("doctor")(doctor.doctor)


def main() -> None:
    """The program's entry: a Fault is one line on stderr and exit code 1."""
    if home := os.environ.get("CIVITAS_HOME"):
        os.environ["CIVITAS_HOME"] = str(Path(home).expanduser().resolve())
    try:
        _mount(sys.argv[1] if len(sys.argv) > 1 else None)
        app()
    except Fault as fault:
        err.print(f"[red]{fault.message}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
