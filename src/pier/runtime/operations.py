"""The operations a plan is made of. Each can describe itself and act, inside the container's new mount namespace, on
the root file system that the site holds open. They decide nothing.
"""

from __future__ import annotations

import errno
import os

from pier.kernel import fs, mount, namespaces, uts
from pier.model.record import Record
from pier.runtime import copying

_EMPTY_FILE = "/dev/null"


class Site:
    """Where a plan runs: *root* is an O_PATH fd of the container's root once it is mounted; *trees* are mounts of the
    host, by path, that were taken while they still had their peers; *receives*: not every mount here is private."""

    def __init__(self) -> None:
        self.root = -1
        self.trees: dict[str, int] = {}
        self.receives = True

    def open_root(self, path: str) -> None:
        self.root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


class Operation(Record):
    """One step of the set-up. OSError when the kernel refuses."""

    def describe(self) -> str:
        fields = [f"{name}={value}" for name, value in self.to_dict().items() if value not in ("", 0, [])]
        return " ".join([type(self).__name__, *fields])

    def run(self, site: Site) -> None:
        raise NotImplementedError


class IsolateMounts(Operation):
    """No mount made here is seen by the host. *receive*: the host's later mounts below slave binds are seen here."""

    receive: bool = False

    def run(self, site: Site) -> None:
        # MS_PRIVATE first: pivot_root(2) refuses a shared parent mount.
        mount.mount(None, "/", None, mount.MS_REC | (mount.MS_SLAVE if self.receive else mount.MS_PRIVATE))
        site.receives = self.receive


class TakeTree(Operation):
    """The host's *source* is kept for a bind with shared propagation, before it is cut off from its peer group."""

    source: str
    recursive: bool = True

    def run(self, site: Site) -> None:
        site.trees[self.source] = mount.take_tree(self.source, recursive=self.recursive)


class BorrowMount(Operation):
    """The mount at *path* of another container, whose mount *namespace* is a file below /proc, at *target*."""

    namespace: str
    path: str
    target: str

    def run(self, site: Site) -> None:
        home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # mount(2) binds nothing out of a foreign namespace; a detached copy made inside it may be carried over.
            namespaces.setns(there, namespaces.CLONE_NEWNS)
            try:
                tree = mount.take_tree(self.path)
            finally:
                namespaces.setns(home, namespaces.CLONE_NEWNS)
            target = fs.make_dirs_in_root(site.root, self.target)
            try:
                mount.place_tree(tree, target)
            finally:
                os.close(target)
                os.close(tree)
        finally:
            os.close(there)
            os.close(home)


class MountOverlay(Operation):
    """overlayfs of *lower* (bottom first) below *upper*; without *upper* it is read-only.

    *user_xattrs*: its marks are user.overlay.* instead of trusted.overlay.*, which a user namespace may not write.
    *volatile* (Linux 5.10): no fsync(2) of the program waits for the disk. For roots that a crash makes worthless.
    """

    lower: tuple[str, ...]
    upper: str = ""
    work: str = ""
    target: str
    flags: int = 0
    volatile: bool = False
    user_xattrs: bool = False

    def run(self, site: Site) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        fds = [os.open(path, flags) for path in reversed(self.lower)]
        try:
            # With redirects, an upper directory would not be a whole layer of its own (kernel: overlayfs.rst).
            # Paths through /proc keep the option below mount(2)'s one page however long the store's path is.
            options = "lowerdir=" + ":".join(map(fs.name_of, fds))
            if self.upper:
                fds += [os.open(self.upper, flags), os.open(self.work, flags)]
                options += f",upperdir={fs.name_of(fds[-2])},workdir={fs.name_of(fds[-1])}"
            # kernel: overlayfs.rst: userxattr switches redirects and metacopy off by itself.
            self._mount(options + (",userxattr" if self.user_xattrs else ",redirect_dir=off,metacopy=off"))
        finally:
            for fd in fds:
                os.close(fd)
        site.open_root(self.target)

    def _mount(self, options: str) -> None:
        if self.volatile:
            try:
                mount.mount("overlay", self.target, "overlay", self.flags, options + ",volatile")
                return
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        mount.mount("overlay", self.target, "overlay", self.flags, options)


class MountKind(Operation):
    """A file system without a source, such as proc or tmpfs, on a directory made when absent."""

    kind: str
    target: str
    flags: int = 0
    data: str = ""
    optional: bool = False

    def run(self, site: Site) -> None:
        fd = fs.make_dirs_in_root(site.root, self.target)
        try:
            mount.mount(self.kind, fs.name_of(fd), self.kind, self.flags, self.data or None)
        except OSError as error:
            if not self.optional or error.errno not in (errno.EPERM, errno.ENODEV, errno.EINVAL, errno.EBUSY):
                raise
        finally:
            os.close(fd)


class CgroupMount(Operation):
    """The container's own view of a version 1 *controller* (or the version 2 tree, "") below /sys/fs/cgroup."""

    controller: str
    read_only: bool = True

    def run(self, site: Site) -> None:
        fd = fs.make_dirs_in_root(site.root, "/sys/fs/cgroup/" + self.controller)
        flags = mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC | (mount.MS_RDONLY if self.read_only else 0)
        try:
            if self.controller:
                mount.mount("cgroup", fs.name_of(fd), "cgroup", flags, self.controller)
            else:
                mount.mount("cgroup2", fs.name_of(fd), "cgroup2", flags)
        except OSError as error:
            # Only a picture of the limits is lost; a host or an outer container may forbid the mount.
            if error.errno not in (errno.EPERM, errno.EACCES, errno.EINVAL, errno.EBUSY, errno.ENOENT):
                raise
        finally:
            os.close(fd)


class Bind(Operation):
    """The host's *source*, or its *subpath*, at *target*. *flags* (MS_RDONLY, MS_NODEV, ...) are put on the new mount;
    MS_RDONLY also on the mounts below it, where the kernel can (Linux 5.12)."""

    source: str
    target: str
    flags: int = 0
    recursive: bool = True
    propagation: int = mount.MS_PRIVATE
    subpath: str = ""

    def run(self, site: Site) -> None:
        source = self._open()
        make = fs.make_dirs_in_root if fs.is_directory(source) else fs.make_file_in_root
        target = make(site.root, self.target)
        recursion = mount.MS_REC if self.recursive else 0
        tree = site.trees.pop(self.source, -1)
        try:
            if tree >= 0:
                mount.place_tree(tree, target)
                os.close(tree)
            else:
                mount.mount(fs.name_of(source), fs.name_of(target), None, mount.MS_BIND | recursion)
        finally:
            os.close(source)
            os.close(target)
        # A copy of a private mount is private already (mount_namespaces(7)).
        settled = self.propagation == mount.MS_PRIVATE and not site.receives and tree < 0
        if settled and not self.flags:
            return
        # The fd of the target names what lies below the new mount; only a fresh look-up finds the mount itself.
        top = fs.open_in_root(site.root, self.target, os.O_PATH)
        try:
            if not settled:
                mount.mount(None, fs.name_of(top), None, self.propagation | recursion)
            if self.flags:
                kept = _locked_flags(top)
                remount = mount.MS_REMOUNT | mount.MS_BIND | self.flags | kept
                mount.mount(None, fs.name_of(top), None, remount)
            if self.recursive and self.flags & mount.MS_RDONLY:
                mount.make_read_only_below(top)
        finally:
            os.close(top)

    def _open(self) -> int:
        source = os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        if not self.subpath:
            return source
        try:
            return fs.open_in_root(source, self.subpath, os.O_PATH)
        finally:
            os.close(source)


def _locked_flags(fd: int) -> int:
    """The flags of the mount behind *fd*: a remount that leaves one out would clear it."""
    present = os.statvfs(fs.name_of(fd)).f_flag
    # statvfs(3) and mount(2) number these four alike.
    return present & (mount.MS_RDONLY | mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC)


class FillVolume(Operation):
    """An empty volume receives what the image has at *target*, owner and mode included, as in Docker."""

    volume: str
    target: str

    def run(self, site: Site) -> None:
        copying.fill_volume(site.root, self.target, self.volume)


class Link(Operation):
    """A symlink *path* → *target*, in a directory that is the runtime's own."""

    target: str
    path: str

    def run(self, site: Site) -> None:
        parent, name = os.path.split(self.path)
        fd = fs.open_in_root(site.root, parent, os.O_PATH | os.O_DIRECTORY)
        try:
            os.symlink(self.target, name, dir_fd=fd)
        except FileExistsError:
            return
        finally:
            os.close(fd)


class Mask(Operation):
    """*path* shows nothing: an empty read-only directory, or the null device. Absent paths stay absent."""

    path: str

    def run(self, site: Site) -> None:
        try:
            fd = fs.open_in_root(site.root, self.path, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            if fs.is_directory(fd):
                mount.mount("tmpfs", fs.name_of(fd), "tmpfs", mount.MS_RDONLY, "size=0")
            else:
                mount.mount(_EMPTY_FILE, fs.name_of(fd), None, mount.MS_BIND)
        finally:
            os.close(fd)


class MakeReadOnly(Operation):
    """*path* cannot be written. Absent paths stay absent."""

    path: str

    def run(self, site: Site) -> None:
        try:
            fd = fs.open_in_root(site.root, self.path, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            mount.mount(fs.name_of(fd), fs.name_of(fd), None, mount.MS_BIND | mount.MS_REC)
        finally:
            os.close(fd)
        top = fs.open_in_root(site.root, self.path, os.O_PATH)
        try:
            flags = mount.MS_REMOUNT | mount.MS_BIND | mount.MS_RDONLY | _locked_flags(top)
            mount.mount(None, fs.name_of(top), None, flags)
        finally:
            os.close(top)


class EnterRoot(Operation):
    """The container's root becomes "/", and nothing of the host's tree can be reached any more.

    *cwd* is made while a *read_only* root can still be written.
    """

    read_only: bool = False
    cwd: str = ""

    def run(self, site: Site) -> None:
        if self.cwd:
            os.close(fs.make_dirs_in_root(site.root, self.cwd))
        os.fchdir(site.root)
        # pivot_root(2), NOTES: "." twice stacks the old root on the new one, so that no directory is needed for it.
        mount.pivot_root(".", ".")
        mount.umount(".", mount.MNT_DETACH)
        os.chdir("/")
        os.close(site.root)
        site.root = -1
        if self.read_only:
            flags = mount.MS_REMOUNT | mount.MS_BIND | mount.MS_RDONLY | (os.statvfs("/").f_flag & mount.MS_NODEV)
            mount.mount(None, "/", None, flags)


class SetHostname(Operation):
    """The UTS namespace's names."""

    hostname: str
    domainname: str = ""

    def run(self, site: Site) -> None:
        uts.set_hostname(self.hostname)
        if self.domainname:
            uts.set_domainname(self.domainname)


class SetSysctl(Operation):
    """A namespaced kernel parameter, written while /proc/sys is still writable."""

    key: str
    value: str

    def run(self, site: Site) -> None:
        fd = fs.open_in_root(site.root, "/proc/sys/" + self.key.replace(".", "/"), os.O_WRONLY)
        try:
            os.write(fd, self.value.encode())
        finally:
            os.close(fd)
