"""The operations that only an OCI configuration asks for; they run beside those of `operations`."""

from __future__ import annotations

import errno
import os
import stat

from pier.kernel import fs, mount, netlink
from pier.kernel.netlink import Netlink
from pier.runtime import copying
from pier.runtime.operations import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.runtime.operations import Site


class BindRoot(Operation):
    """The directory *source* of the bundle becomes a mount of its own, and the container's root."""

    source: str

    def run(self, site: Site) -> None:
        # pivot_root(2): the new root must be a mount point, and its parent mount must not be shared.
        mount.mount(self.source, self.source, None, mount.MS_BIND | mount.MS_REC)
        site.open_root(self.source)


class MountFileSystem(Operation):
    """Any file system the kernel knows, such as ext4, overlay or tmpfs, at *target*.

    *copy_up*: a tmpfs starts with what lay at *target* before.
    """

    kind: str
    source: str
    target: str
    flags: int = 0
    data: str = ""
    propagation: tuple[int, ...] = ()
    copy_up: bool = False

    def run(self, site: Site) -> None:
        below = fs.make_dirs_in_root(site.root, self.target)
        try:
            # Read-only comes last, when what is to be copied up has been.
            late = mount.MS_RDONLY if self.copy_up else 0
            mount.mount(self.source or self.kind, fs.name_of(below), self.kind, self.flags & ~late, self.data or None)
            top = fs.open_in_root(site.root, self.target, os.O_PATH)
            try:
                if self.copy_up:
                    # The fd opened before still names the directory below the new mount.
                    copying.fill_volume(below, ".", fs.name_of(top))
                    if self.flags & late:
                        mount.mount(None, fs.name_of(top), None, mount.MS_REMOUNT | self.flags, self.data or None)
                for flag in self.propagation:
                    mount.mount(None, fs.name_of(top), None, flag)
            finally:
                os.close(top)
        finally:
            os.close(below)


class Remount(Operation):
    """The mount at *target* gets *flags* and no others, with the kernel's locked ones kept."""

    target: str
    flags: int

    def run(self, site: Site) -> None:
        top = fs.open_in_root(site.root, self.target, os.O_PATH)
        try:
            mount.mount(None, fs.name_of(top), None, mount.MS_REMOUNT | mount.MS_BIND | self.flags)
        finally:
            os.close(top)


class MakeNode(Operation):
    """A device node or FIFO at *path*; *kind* is S_IFCHR, S_IFBLK or S_IFIFO."""

    path: str
    kind: int
    major: int = 0
    minor: int = 0
    mode: int = 0o666
    uid: int = 0
    gid: int = 0

    def run(self, site: Site) -> None:
        parent, name = os.path.split(self.path)
        folder = fs.make_dirs_in_root(site.root, parent)
        try:
            self._make(folder, name)
            os.chown(name, self.uid, self.gid, dir_fd=folder, follow_symlinks=False)
            made = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.chmod(fs.name_of(made), self.mode)
            finally:
                os.close(made)
        finally:
            os.close(folder)

    def _make(self, folder: int, name: str) -> None:
        device = os.makedev(self.major, self.minor)
        try:
            os.mknod(name, self.kind | self.mode, device, dir_fd=folder)
        except FileExistsError:
            found = os.lstat(name, dir_fd=folder)
            if stat.S_IFMT(found.st_mode) != self.kind or (self.kind != stat.S_IFIFO and found.st_rdev != device):
                raise OSError(errno.EEXIST, "something else is there", self.path) from None


class RaiseLoopback(Operation):
    """lo of the container's own network namespace is up."""

    def run(self, site: Site) -> None:
        with Netlink() as link:
            link.transact([netlink.set_up("lo")])


class CgroupBind(Operation):
    """The host's view of a cgroup *source* at *target*, where the container has no cgroup namespace."""

    source: str
    target: str
    flags: int

    def run(self, site: Site) -> None:
        target = fs.make_dirs_in_root(site.root, self.target)
        try:
            mount.mount(self.source, fs.name_of(target), None, mount.MS_BIND)
        finally:
            os.close(target)
        top = fs.open_in_root(site.root, self.target, os.O_PATH)
        try:
            mount.mount(None, fs.name_of(top), None, mount.MS_REMOUNT | mount.MS_BIND | self.flags)
        finally:
            os.close(top)
