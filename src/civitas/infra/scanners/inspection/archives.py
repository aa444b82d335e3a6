"""Judging an archive: what it would do to whoever unpacks it, and then each of its members."""

from __future__ import annotations

import re
from collections.abc import Callable

from civitas.infra.scanners.inspection import kinds, pickles, zips
from civitas.infra.scanners.inspection.findings import Findings
from civitas.infra.scanners.inspection.views import Spool, View
from civitas.infra.scanners.report import Verdict

Inspect = Callable[[View, str, int], None]

_BIG = 64 * 1024 * 1024
_STORAGE = re.compile(r"(?:^|/)(?:data|tensors|constants|xl_model_data)/[0-9]+$")
_TORCH_NOTES = re.compile(r"(?:^|/)(?:version|byteorder|\.format_version|\.storage_alignment|\.data/\S+)$")
_UNSAFE_NAME = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\x00")
_ODD_NAME = re.compile(r"[\x00-\x1f\x7f\\\u202a-\u202e\u2066-\u2069]")


def judge(view: View, where: str, depth: int, findings: Findings, inspect: Inspect) -> None:
    """Check the zip in `view` and hand its members to `inspect(view, where, depth)`."""
    findings.looked("archive")
    end = kinds.zip_end(view)
    if end is None:
        findings.add(
            "archive", Verdict.ERROR, "The archive has no directory; it may be cut off.", member=where
        )
        return
    limits = findings.limits
    try:
        directory = zips.read(view, end, limits.members - findings.members)
    except zips.BadZip as problem:
        many = "members; at most" in str(problem)
        verdict = Verdict.DANGEROUS if many else Verdict.ERROR
        findings.add("archive", verdict, f"The archive cannot be looked into: {problem}.", member=where)
        return
    findings.members += len(directory.entries)
    if not _plain(view, directory, where, findings) or not _bounded(directory, where, findings):
        return
    for entry in directory.entries:
        if not entry.is_folder and _readable(entry, f"{where}/{entry.name}", findings):
            _member(view, entry, where, depth, findings, inspect)


def _plain(view: View, directory: zips.Directory, where: str, findings: Findings) -> bool:
    """Whether there is only one way to read the archive; complaints are added."""

    def danger(reason: str, name: str = "") -> None:
        findings.add("archive", Verdict.DANGEROUS, reason, member=f"{where}/{name}" if name else where)

    if zips.overlaps(directory):
        danger("Members of the archive overlap, which only bombs and tricks do.")
        return False
    if directory.trailing > 0 or zips.hidden_bytes(view, directory):
        danger("The archive holds bytes that belong to no member: two files may be hidden in one.")
    if view.at(257, 5) == b"ustar":
        danger("The file is a zip and a tar archive at once.")
    names: set[str] = set()
    for entry in directory.entries:
        if _UNSAFE_NAME.search(entry.name):
            danger("A member of the archive would be written outside its folder.", entry.name)
        elif _ODD_NAME.search(entry.name):
            findings.add(
                "archive",
                Verdict.SUSPICIOUS,
                "A member has an unreadable name.",
                member=f"{where}/{entry.name!r}",
            )
        if entry.is_link or entry.is_special:
            danger("A member of the archive is a link or a device instead of a file.", entry.name)
        if entry.name in names:
            danger("Two members of the archive have the same name.", entry.name)
        if entry.data is not None and not entry.same_name:
            danger("A member's own header disagrees with the archive's directory.", entry.name)
        names.add(entry.name)
    return True


def _bounded(directory: zips.Directory, where: str, findings: Findings) -> bool:
    """Whether the archive unpacks to a reasonable size, by what it declares."""
    limits = findings.limits
    findings.unpacked += sum(entry.size for entry in directory.entries)
    squeezed = [entry for entry in directory.entries if entry.size >= _BIG and entry.ratio > limits.ratio]
    if findings.unpacked > limits.unpacked:
        reason = f"The archive unpacks to {findings.unpacked} bytes; at most {limits.unpacked} are allowed."
    elif squeezed:
        entry = squeezed[0]
        reason = f"A member unpacks to {entry.ratio:.0f} times its size, which only bombs do."
    else:
        return True
    findings.add("archive", Verdict.DANGEROUS, reason, member=where)
    return False


def _readable(entry: zips.Entry, where: str, findings: Findings) -> bool:
    reason = None
    if entry.is_encrypted:
        reason = "A member of the archive is encrypted, so nobody can look into it."
    elif entry.method not in (zips.STORED, zips.DEFLATED):
        reason = "A member of the archive is packed in a way that is not supported."
    elif entry.data is None:
        reason = "A member of the archive is damaged or cut off."
    elif entry.method == zips.STORED and entry.packed != entry.size:
        reason = "A member of the archive declares two different sizes."
    if reason:
        findings.add("archive", Verdict.ERROR, reason, member=where)
    return reason is None


def _member(
    view: View, entry: zips.Entry, where: str, depth: int, findings: Findings, inspect: Inspect
) -> None:
    inner = f"{where}/{entry.name}"
    if entry.method == zips.STORED and entry.data is not None:
        _look(view.part(entry.data, entry.size), entry, inner, depth, findings, inspect)
        return
    spool = Spool()
    small = entry.size <= findings.limits.nested
    try:
        zips.unpack(view, entry, spool if small else None, findings.limits.unpacked)
        if small:
            _look(spool.view(), entry, inner, depth, findings, inspect)
        else:
            findings.add(
                "archive",
                Verdict.ERROR,
                "A packed member is too large to be looked into.",
                member=inner,
                size=entry.size,
            )
    except zips.TooLong:
        findings.add("archive", Verdict.DANGEROUS, "A member unpacks to more than it declares.", member=inner)
    except zips.BadZip as problem:
        findings.add("archive", Verdict.ERROR, f"The archive is damaged: {problem}.", member=inner)
    finally:
        spool.close()


def _look(
    view: View, entry: zips.Entry, where: str, depth: int, findings: Findings, inspect: Inspect
) -> None:
    if _STORAGE.search(entry.name):
        # Raw tensor bytes, which nothing unpickles; they may begin like anything by chance.
        if kinds.sniff(view) == "pickle" and pickles.imports_anything(view):
            pickles.scan(view, where, findings)
        return
    if _TORCH_NOTES.search(entry.name) and entry.size <= 4096:
        return
    inspect(view, where, depth + 1)
