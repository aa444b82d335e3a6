"""Prompts of submissions: judged by the rules of the Create page before anything is charged."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration.templates import Template
from civitas.domains.studio import blocking, rating
from civitas.faces.http.state import state_of


def texts_of(template: Template) -> tuple[str, ...]:
    """What a workflow says that is to be seen; arguments count, as prompts may refer to them."""
    found = [text for step in template.steps for text in rating.texts_of(step.type, step.input)]
    if found:
        found += [text for text in template.arguments.values() if isinstance(text, str)]
    return tuple(dict.fromkeys(found))


async def admitted(request: Request, actor: Actor, template: Template, *, counted: bool = True) -> Template:
    """The workflow as it may be run: safe only where its words ask for that.

    Raises Forbidden (`generation_restricted`), and PromptBlocked for what is never made, which is `counted`.
    """
    texts = texts_of(template)
    if not texts or actor.id is None:
        return template
    state, safe_only = state_of(request), False
    await blocking.may_generate_now(state.reads, actor)
    audits = [blocking.rules().audit(text, "", safe_site=actor.domain == "green") for text in texts]
    try:
        if any(audit.findings for audit in audits):
            # What somebody was allowed to say is asked for only where something was found.
            async with state.database.reading() as session:
                audits = [await blocking.look(session, actor, prompt=text) for text in texts]
        for audit in audits:
            safe_only |= blocking.admit(audit, acknowledged=True).safe_only
    except blocking.PromptBlocked as fault:
        if counted:
            async with state.database.unit() as session:
                told = await blocking.count(session, actor, findings=fault.findings, prompt=" ".join(texts))
            if told.warning:
                fault.message = f"{fault.message} {told.warning}"
        raise
    return replace(template, allow_mature=False) if safe_only else template
