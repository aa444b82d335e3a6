"""Where a version comes from and what it goes with: parents, a merge recipe whose steps feed steps, recommendations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import air, lineage, naming, queries, reading, search
from civitas.domains.catalog.forms import LineageForm
from civitas.domains.catalog.lineage import Origins
from civitas.domains.catalog.listing import Filters
from civitas.domains.catalog.naming import VersionName
from civitas.domains.catalog.types import Relation
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.form_values import blank, validated, version_id
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.ids import row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

RELATIONS: Final = (
    (Relation.FINE_TUNED_FROM.value, "Fine-tuned from"),
    (Relation.TRAINED_ON.value, "Trained on"),
    (Relation.MERGED_FROM.value, "Merged from"),
    (Relation.FORKED_FROM.value, "Forked from"),
    (Relation.DISTILLED_FROM.value, "Distilled from"),
    (Relation.CONVERTED_FROM.value, "Converted from"),
)
KINDS: Final = (("sum", "Weighted sum"), ("difference", "Add difference"))
SPARE_ROWS: Final = 1
MOST_STEPS: Final = 30
# The note of parents that a recipe brought along; they come and go with it.
_FROM_RECIPE: Final = "merge recipe"
_RESULT = re.compile(r"(?:result\s+of\s+)?step\s*#?\s*(\d{1,3})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParentRow:
    """A line of the list of parents."""

    ref: str = ""
    relation: str = Relation.FINE_TUNED_FROM.value
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of the recipe; the ingredients as one writes them."""

    kind: str = "sum"
    a: str = ""
    b: str = ""
    c: str = ""
    multiplier: str = "0.5"


@dataclass(frozen=True, slots=True)
class RecommendedRow:
    """A line of the list of recommendations."""

    ref: str = ""
    strength: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class OriginsPage:
    """The three lists with spare rows, and the names of the versions in them."""

    frame: Frame
    form: Entered
    parents: tuple[ParentRow, ...]
    steps: tuple[StepRow, ...]
    recommended: tuple[RecommendedRow, ...]
    names: Mapping[str, VersionName]
    relations: tuple[tuple[str, str], ...] = RELATIONS
    kinds: tuple[tuple[str, str], ...] = KINDS


@router.get("/models/{model_id:int}/versions/{number:int}/origins")
async def show(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """What is recorded, with room for more."""
    async with state_of(request).database.reading() as session:
        found = await queries.version_origins(session, creator, version_id=number)
    return await _page(request, creator, model_id, number, Entered(), _rows_of(found))


@router.post("/models/{model_id:int}/versions/{number:int}/origins")
async def save(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Record what was entered; with `more` only give another empty row of that list."""
    form = await forms.read(request)
    rows = _entered(form)
    if form.get("more"):
        return await _page(request, creator, model_id, number, form, rows)
    try:
        described = validated(LineageForm, _given(*rows))
        async with state_of(request).database.unit() as session:
            await publish_frame.load(session, creator, model_id=model_id, place="origins", version_id=number)
            await lineage.describe(session, creator, version_id=number, form=described)
    except (Invalid, Conflict) as fault:
        # The rows repeat the names of their fields, so what is wrong is told above them, in a whole sentence.
        told = publish_frame.fault_in_short(fault) if fault.code == "validation_failed" else fault.message
        failed = replace(form, problem=told)
        return await _page(request, creator, model_id, number, failed, rows, status=forms.status_of(fault))
    text = "Where this version comes from is saved."
    return redirect(request, publish_frame.href("origins", model_id, number), text=text)


@router.get("/models/versions/suggest")
async def suggest(request: Request, creator: Creator) -> Response:
    """Versions whose model is called like what is being typed, for the browser's list below a field."""
    typed = (request.query_params.get(name) for name in ("parent", "a", "b", "c", "recommended"))
    query = next((text for text in typed if text), "")[:60].strip()
    options: dict[int, str] = {}
    if len(query) > 1 and not query.isdigit():
        async with state_of(request).database.reading() as session:
            own = await naming.versions_called(session, creator, query=query)
        options = {found.id: _called(found) for found in own}
        filters = Filters(query=search.parse(query), mask=creator.mask)
        public = await reading.models(state_of(request).reads, creator, filters, limit=8)
        for document in public.objects(""):
            for version in document["modelVersions"][:3]:
                told = f"{document['name']} · {version['name']} · {version['baseModel']}"
                options.setdefault(version["id"], told)
    return render(request, "publish/suggested.html", {"options": tuple(options.items())})


def _called(found: VersionName) -> str:
    return f"{found.model} · {found.name} · {found.base_model}"


_Rows = tuple[list[ParentRow], list[StepRow], list[RecommendedRow]]


def _rows_of(found: Origins) -> _Rows:
    parents = [
        ParentRow(str(parent.version_id or parent.air or ""), parent.relation, parent.note or "")
        for parent in found.parents
        if parent.note != _FROM_RECIPE
    ]
    steps = [
        StepRow(step.kind, _written(step.a), _written(step.b), _written(step.c), f"{step.multiplier:g}")
        for step in found.merge
    ]
    recommended = [
        RecommendedRow(
            str(one.version_id), "" if one.strength is None else f"{one.strength:g}", one.note or ""
        )
        for one in found.recommended
    ]
    return parents, steps, recommended


def _written(operand: Mapping[str, Any] | None) -> str:
    if not operand:
        return ""
    if "version" in operand:
        return str(operand["version"])
    if "result" in operand:
        return f"step {int(operand['result']) + 1}"
    return str(operand.get("air") or operand.get("name") or "")


def _entered(form: Entered) -> _Rows:
    parents = [
        ParentRow(*row)
        for row in zip(form.all("parent"), form.all("relation"), form.all("parent_note"), strict=False)
    ]
    kinds, multipliers = form.all("kind"), form.all("multiplier")
    steps = [
        StepRow(kind, a, b, c, multiplier)
        for kind, a, b, c, multiplier in zip(
            kinds, form.all("a"), form.all("b"), form.all("c"), multipliers, strict=False
        )
    ][:MOST_STEPS]
    recommended = [
        RecommendedRow(*row)
        for row in zip(
            form.all("recommended"), form.all("strength"), form.all("recommended_note"), strict=False
        )
    ]
    return parents, steps, recommended


def _given(
    parents: Sequence[ParentRow], steps: Sequence[StepRow], recommended: Sequence[RecommendedRow]
) -> dict[str, Any]:
    merge = [
        {
            "type": row.kind,
            "a": _operand(row.a, "A", number),
            "b": _operand(row.b, "B", number),
            "c": _operand(row.c, "C", number) if row.kind == "difference" else None,
            "multiplier": row.multiplier.strip() or "0.5",
        }
        for number, row in enumerate((row for row in steps if row.a or row.b or row.c), 1)
    ]
    return {
        "derived_from": [
            _parent(row.ref) | {"relation": row.relation, "note": blank(row.note)}
            for row in parents
            if row.ref.strip()
        ],
        "merge": {"steps": merge} if merge else None,
        "recommended": [
            {
                "version_id": version_id(row.ref, field="recommended"),
                "strength": blank(row.strength),
                "note": blank(row.note),
            }
            for row in recommended
            if row.ref.strip()
        ],
    }


def _parent(ref: str) -> dict[str, Any]:
    if "air:" in ref.lower():
        return {"air": ref.strip()}
    return {"version_id": version_id(ref, field="derived_from")}


def _operand(text: str, letter: str, number: int) -> dict[str, Any]:
    given = text.strip()
    if not given:
        told = f"Step {number} lacks its model {letter}."
        raise Invalid(told, code="lacking_operand", fields={"merge": told})
    result = _RESULT.fullmatch(given)
    if result is not None:
        return {"result": int(result[1]) - 1}
    if "air:" in given.lower():
        return {"air": str(air.parse(given))}
    if given.lstrip("#").isdigit() or "://" in given:
        return {"version": version_id(given, field="merge")}
    return {"name": given}


async def _page(
    request: Request,
    creator: Actor,
    model_id: int,
    number: int,
    form: Entered,
    rows: _Rows,
    *,
    status: int = 200,
) -> Response:
    parents, steps, recommended = rows
    refs = [row.ref for row in parents] + [row.ref for row in recommended]
    refs += [ref for row in steps for ref in (row.a, row.b, row.c)]
    async with state_of(request).database.reading() as session:
        frame = await publish_frame.load(
            session, creator, model_id=model_id, place="origins", version_id=number
        )
        named = await naming.version_names(session, creator, version_ids=row_ids(refs))
    page = OriginsPage(
        frame=frame,
        form=form,
        parents=(*parents, *[ParentRow()] * SPARE_ROWS),
        steps=(*steps, *[StepRow()] * (SPARE_ROWS if len(steps) < MOST_STEPS else 0)),
        recommended=(*recommended, *[RecommendedRow()] * SPARE_ROWS),
        names={str(found): name for found, name in named.items()},
    )
    return render(request, "publish/origins.html", page, status=status)
