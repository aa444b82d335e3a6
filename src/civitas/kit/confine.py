"""Shutting a process in that reads what strangers send: limits, no network, no other programs, no privileges.

Every step is taken where the system allows it; what was reached is reported. Linux offers all of it, other systems
the limits only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Mapping
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4
_NOBODY: Final = 65534

# Audit architecture and the numbers of: socket, socketpair, connect, execve, execveat, ptrace, fork, vfork,
# process_vm_writev, io_uring_setup, bpf, mount, setns. (linux/audit.h and the kernel's system call tables.)
_CALLS: Final[Mapping[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, (41, 53, 42, 59, 322, 101, 57, 58, 311, 425, 321, 165, 308)),
    "aarch64": (0xC00000B7, (198, 199, 203, 221, 281, 117, 271, 425, 280, 40, 268)),
}


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


def limit(memory: int, cpu_s: int, file_bytes: int, *, threads: bool = False) -> None:
    """Bound memory and file size in bytes and processor time in seconds; no core dumps, no further processes.

    `threads` allows what counts as a process of its own on Linux; `isolate` still refuses new programs.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, cpu_s)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    _lower(resource.RLIMIT_NOFILE, 64)
    if not threads:
        _lower(resource.RLIMIT_NPROC, 0)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, memory)


def isolate() -> dict[str, str]:
    """Cut the process off; returns what was reached: `network`, `privileges` and `calls`."""
    if sys.platform != "linux":
        return {"network": "open", "privileges": "kept", "calls": "all"}
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    namespace = _leave_network(libc)
    dropped = _drop_privileges()
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    filtered = _filter_calls(libc)
    return {
        "network": "own namespace" if namespace else "no sockets" if filtered else "open",
        "privileges": "nobody" if dropped else "kept",
        "calls": "filtered" if filtered else "all",
    }


def end_with_parent() -> None:
    """Be killed when whoever started this process dies. Call it after `isolate`: changing the user takes it back."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _leave_network(libc: ctypes.CDLL) -> bool:
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    return bool(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def _drop_privileges() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    except OSError:
        return False
    return True


def _filter_calls(libc: ctypes.CDLL) -> bool:
    """Answer forbidden system calls with EPERM (seccomp, filter mode)."""
    found = _CALLS.get(platform.machine())
    if found is None:
        return False
    architecture, calls = found
    count = len(calls)
    # Load the architecture; another one is killed. Load the number; compare; allow, else EPERM.
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, architecture), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    program.append((0x35, count + 1, 0, 0x40000000))
    program += [(0x15, count - index, 0, number) for index, number in enumerate(calls)]
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]
    packed = b"".join(struct.pack("<HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(packed, len(packed))
    wanted = _Filter(len(program), ctypes.cast(held, ctypes.c_void_p))
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(wanted), 0, 0) == 0)
