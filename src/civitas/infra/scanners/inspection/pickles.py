"""Which names a pickle imports, found without loading it.

Two readings that must both be content: picklescan's, and our own, which follows the stack and the memo exactly as
the unpickler does (PEP 307, PEP 3154 and PEP 574; opcodes by the standard library's `pickletools`). A name that is
put together while loading, or any opcode that does not fit, is never taken for harmless.
"""

from __future__ import annotations

import pickletools
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from picklescan import scanner as picklescan
from picklescan.torch import InvalidMagicError

from civitas.infra.scanners.inspection.findings import Findings
from civitas.infra.scanners.inspection.globals import COMPUTED, judge
from civitas.infra.scanners.inspection.views import View
from civitas.infra.scanners.report import Verdict

TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES: Final = 5
_MAX_PICKLES: Final = 1000
_MAX_OPCODES: Final = 50_000_000
_BROKEN = (ValueError, OverflowError, IndexError, KeyError, AttributeError, TypeError, struct.error, EOFError)

_MARK: Final = object()
_OTHER: Final = object()
_STRINGS = frozenset(
    {
        "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})


class Malformed(Exception):
    """The bytes are no pickle that an unpickler would finish; what was imported until then still counts."""


@dataclass(slots=True)
class Machine:
    """The unpickler's stack and memo, in which only text is kept apart."""

    names: set[tuple[str, str]] = field(default_factory=set)
    stack: list[Any] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)
    number: Any = None

    def pop(self) -> Any:
        if not self.stack:
            raise Malformed("takes more from the stack than is there")
        return self.stack.pop()

    def pop_to_mark(self) -> None:
        while self.pop() is not _MARK:
            pass

    def run(self, stream: BinaryIO) -> None:
        """Follow one pickle to its STOP. Raises Malformed."""
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if count > _MAX_OPCODES:
                    raise Malformed("has too many opcodes")
                self.step(opcode, argument)
        except _BROKEN as error:
            raise Malformed(str(error)[:120] or "ends too early") from None

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name in _STRINGS:
            self.stack.append(argument)
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        elif name in ("GLOBAL", "INST"):
            if name == "INST":
                self.pop_to_mark()
            self.names.add(_split(argument))
            self.stack.append(_OTHER)
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            known = isinstance(attribute, str) and isinstance(module, str)
            self.names.add((module, attribute) if known else (COMPUTED, "?"))
            self.stack.append(_OTHER)
        elif name in _EXTENSIONS:
            self.names.add(("copyreg extension", str(argument)))
            self.stack.append(_OTHER)
        elif name == "POP_MARK":
            self.pop_to_mark()
        else:
            self.other(opcode)
            if name.startswith(("LONG", "INT", "BININT")):
                self.number = argument

    def other(self, opcode: pickletools.OpcodeInfo) -> None:
        before = opcode.stack_before
        if pickletools.markobject in before:
            self.pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self.pop()
        self.stack.extend([_OTHER] * len(opcode.stack_after))


def _split(argument: str) -> tuple[str, str]:
    module, space, name = argument.partition(" ")
    if not space:
        raise Malformed("imports a name without a module")
    return module, name


def scan(view: View, where: str, findings: Findings) -> None:
    """Judge all pickles in `view`, a raw pickle or a legacy PyTorch file, and add what was found.

    `where` is shown to people.
    """
    findings.looked("imports")
    names, problem, legacy = _follow(view)
    for module, name in names:
        findings.imported(f"{module}.{name}", judge(module, name, findings.limits.allowed))
    if problem:
        findings.add(
            "imports", Verdict.ERROR, f"A pickle in this file could not be read: it {problem}.", member=where
        )
    _second_opinion(view, where, legacy, findings)


def imports_anything(view: View) -> bool:
    """Whether `view` holds a whole pickle that imports something; for bytes that ought not to be a pickle."""
    machine = Machine()
    try:
        machine.run(cast(BinaryIO, view.buffered()))
    except Malformed:
        return any(judge(*name, frozenset()) is Verdict.DANGEROUS for name in machine.names)
    return bool(machine.names)


def _follow(view: View) -> tuple[set[tuple[str, str]], str | None, bool]:
    stream = cast(BinaryIO, view.buffered())
    names: set[tuple[str, str]] = set()
    legacy = False
    for index in range(_MAX_PICKLES):
        machine = Machine()
        try:
            machine.run(stream)
        except Malformed as problem:
            rest = " after its first part" if index else ""
            return names | machine.names, f"{problem}{rest}", legacy
        names |= machine.names
        if index == 0:
            legacy = machine.number == TORCH_MAGIC and not machine.names
        if legacy and index == _LEGACY_PICKLES - 1:
            return names, None, True
        if stream.tell() >= view.length:
            return names, "ends too early" if legacy else None, legacy
    return names, "has too many parts", legacy


def _second_opinion(view: View, where: str, legacy: bool, findings: Findings) -> None:
    stream = view.buffered()
    try:
        if legacy:
            result = picklescan.scan_pytorch(stream, "file")
        else:
            result = picklescan.scan_pickle_bytes(stream, "file", multiple_pickles=True)
    except (*_BROKEN, InvalidMagicError, OSError) as error:
        findings.add(
            "imports",
            Verdict.ERROR,
            "picklescan could not read a pickle in this file.",
            member=where,
            error=str(error),
        )
        return
    if result.scan_err:
        findings.add(
            "imports", Verdict.ERROR, "picklescan could not read all of a pickle in this file.", member=where
        )
    for item in result.globals:
        ours = judge(item.module, item.name, findings.limits.allowed)
        if item.safety is picklescan.SafetyLevel.Dangerous and ours is not Verdict.CLEAN:
            ours = Verdict.DANGEROUS
        findings.imported(f"{item.module}.{item.name}", ours)
