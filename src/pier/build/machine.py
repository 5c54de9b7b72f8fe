"""What this machine can build for, and the arguments that say so in a Dockerfile."""

from __future__ import annotations

import os

from pier.errors import Unsupported
from pier.model.record import Record

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}


class Machine(Record):
    """A platform in OCI words."""

    os: str
    architecture: str
    variant: str = ""

    @property
    def platform(self) -> str:
        """`linux/amd64`, `linux/arm/v7`."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def variables(self) -> dict[str, str]:
        """The automatic platform arguments (Dockerfile reference)."""
        found = {}
        for prefix in ("TARGET", "BUILD"):
            found[prefix + "PLATFORM"] = self.platform
            found[prefix + "OS"] = self.os
            found[prefix + "ARCH"] = self.architecture
            found[prefix + "VARIANT"] = self.variant
        return found


def this_machine() -> Machine:
    """The platform of the running kernel."""
    name = os.uname().machine
    architecture, variant = _ARCHITECTURES.get(name, (name, ""))
    return Machine(os="linux", architecture=architecture, variant=variant)


def require(platform: str, machine: Machine) -> None:
    """Unsupported when *platform* ("" for any) is not *machine*'s."""
    if platform and platform.split("/")[:2] != [machine.os, machine.architecture]:
        raise Unsupported(
            f"cannot build for {platform}",
            why=f"this machine is {machine.platform}, and pier does not emulate others",
            hint=f"leave out --platform, or give --platform {machine.platform}",
        )
