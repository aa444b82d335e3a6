"""Paging by number, as `/creators` and `/tags` have it: every legacy integer is always there (WIRE rule 12)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request

from civitas.faces.http.links import with_query

PageSize = Annotated[int, Query(ge=0, le=200, description="Entries a page.")]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000, description="Which page, from 1.")]


def page_metadata(request: Request, *, total: int, limit: int, page: int) -> dict[str, Any]:
    """Where this page stands among all of them; links keep every other parameter."""
    pages = -(-total // limit) if limit else 0
    return {
        "totalItems": total,
        "currentPage": page,
        "pageSize": limit,
        "totalPages": pages,
        "nextPage": with_query(request, page=str(page + 1)) if page < pages else None,
        "prevPage": with_query(request, page=str(page - 1)) if 1 < page <= pages + 1 else None,
    }


def known_totals(*, before: int, shown: int, page: int, more: bool) -> dict[str, int]:
    """`totalItems` and `totalPages` of a list that is not counted: what is certain so far, exact on its last page.

    Whole numbers always: clients in typed languages cannot read a null there, others fail when the keys are missing.
    """
    return {"totalItems": before + shown + more, "totalPages": page + more}
