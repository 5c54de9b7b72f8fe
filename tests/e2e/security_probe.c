/* Try whatever might lead out of a container or up in it, and say how each attempt ended: one "kind name result" a line.
 *
 * Every attempt runs in a child of its own, so that one that kills or blocks is only that line's result. A result is
 * "ok", the errno's name, "killed" or "blocks". Built static: it trusts nothing of the image it runs in.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_CALL 470
#define OK 0
#define PATIENCE_MS 300

static const char *told(int error)
{
    static char text[32];
    const char *name = strerrorname_np(error);
    if (name)
        return name;
    snprintf(text, sizeof text, "errno%d", error);
    return text;
}

static void say(const char *kind, const char *name, int status)
{
    if (WIFSIGNALED(status))
        printf("%s %s %s\n", kind, name, WTERMSIG(status) == SIGALRM ? "blocks" : "killed");
    else
        printf("%s %s %s\n", kind, name, WEXITSTATUS(status) ? told(WEXITSTATUS(status)) : "ok");
    fflush(stdout);
}

/* In the child: the errno as an exit status. */
static void leave(long result) { _exit(result < 0 ? errno : OK); }

static int in_child(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        setpgid(0, 0);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        ualarm(PATIENCE_MS * 1000, 0);
        return 1;
    }
    return -pid;
}

static int outcome(int child)
{
    int status = 0;
    waitpid(-child, &status, 0);
    kill(child, SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    return status;
}

#define ATTEMPT(kind, name, expression)      \
    do {                                     \
        int child = in_child();              \
        if (child == 1)                      \
            leave((long)(expression));       \
        say(kind, name, outcome(child));     \
    } while (0)

/* Every system call there is, with arguments that no call can do anything with: EPERM and ENOSYS are the filter's. */
static void every_call(void)
{
    static const int skipped[] = {
        SYS_fork, SYS_vfork, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_pause, SYS_clone, SYS_setpgid, SYS_alarm,
        SYS_setitimer, SYS_kill, SYS_tkill, SYS_sync, SYS_rt_sigsuspend, SYS_sched_yield,
    };
    for (int number = 0; number < LAST_CALL; number++) {
        int skip = number > 334 && number < 424;
        for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
            skip |= skipped[i] == number;
        if (skip)
            continue;
        char name[16];
        snprintf(name, sizeof name, "%d", number);
        ATTEMPT("call", name, syscall(number, -1L, -1L, -1L, -1L, -1L, -1L));
    }
}

struct flag { const char *name; unsigned long value; };

static long clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}

static long clone3_with(unsigned long long flags)
{
    unsigned long long arguments[8] = {flags, 0, 0, 0, SIGCHLD, 0, 0, 0};
    long pid = syscall(SYS_clone3, arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    return pid;
}

static void namespaces(void)
{
    static const struct flag flags[] = {
        {"NEWUSER", CLONE_NEWUSER}, {"NEWNS", CLONE_NEWNS}, {"NEWPID", CLONE_NEWPID}, {"NEWNET", CLONE_NEWNET},
        {"NEWIPC", CLONE_NEWIPC}, {"NEWUTS", CLONE_NEWUTS}, {"NEWCGROUP", CLONE_NEWCGROUP}, {"NEWTIME", 0x80},
    };
    char path[64];
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        ATTEMPT("unshare", flags[i].name, syscall(SYS_unshare, flags[i].value));
        if (flags[i].value != 0x80)
            ATTEMPT("clone", flags[i].name, clone_with(flags[i].value));
        ATTEMPT("clone3", flags[i].name, clone3_with(flags[i].value));
    }
    ATTEMPT("clone3", "plain", clone3_with(0));
    static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "/proc/1/ns/%s", kinds[i]);
        ATTEMPT("setns", kinds[i], syscall(SYS_setns, open(path, O_RDONLY), 0));
    }
}

static void sockets(void)
{
    char name[32];
    for (int family = 0; family < 46; family++) {
        for (int type = SOCK_STREAM; type <= SOCK_RAW; type++) {
            snprintf(name, sizeof name, "%d/%d", family, type);
            ATTEMPT("socket", name, socket(family, type, 0));
        }
    }
    ATTEMPT("socket", "icmp", socket(AF_INET, SOCK_RAW, 1));
    ATTEMPT("socket", "packet", socket(AF_PACKET, SOCK_RAW, 0x0300));
    ATTEMPT("socket", "audit", socket(AF_NETLINK, SOCK_RAW, 9));
    ATTEMPT("socket", "nfnetlink", socket(AF_NETLINK, SOCK_RAW, 12));
}

static void up(void)
{
    static unsigned int capability_header[2] = {0x20080522, 0};
    static unsigned int all_capabilities[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
    static char room[4096];
    static char handle[160] = {[0] = 8, [4] = 1};
    struct rlimit more = {1 << 30, 1 << 30};
    struct { long sec, nsec; } date = {1, 0};
    ATTEMPT("up", "mount-tmpfs", mount("none", "/tmp", "tmpfs", 0, ""));
    ATTEMPT("up", "mount-proc", mount("none", "/tmp", "proc", 0, ""));
    ATTEMPT("up", "mount-bind", mount("/etc", "/tmp", "", MS_BIND, ""));
    ATTEMPT("up", "remount-proc-sys-rw", mount("", "/proc/sys", "", MS_REMOUNT | MS_BIND, ""));
    ATTEMPT("up", "remount-sys-rw", mount("", "/sys", "", MS_REMOUNT, ""));
    ATTEMPT("up", "umount-masked", umount2("/proc/kcore", MNT_DETACH));
    ATTEMPT("up", "umount-proc", umount2("/proc", MNT_DETACH));
    ATTEMPT("up", "pivot_root", syscall(SYS_pivot_root, ".", "."));
    ATTEMPT("up", "chroot", chroot("/"));
    ATTEMPT("up", "fsopen", syscall(430, "tmpfs", 0));
    ATTEMPT("up", "open_tree", syscall(428, AT_FDCWD, "/", 1));
    ATTEMPT("up", "move_mount", syscall(429, AT_FDCWD, "/tmp", AT_FDCWD, "/tmp", 0));
    ATTEMPT("up", "mount_setattr", syscall(442, AT_FDCWD, "/", 0, room, 32));
    ATTEMPT("up", "keyctl", syscall(SYS_keyctl, 0, -3, 0));
    ATTEMPT("up", "add_key", syscall(SYS_add_key, "user", "name", "x", 1, -3));
    ATTEMPT("up", "request_key", syscall(SYS_request_key, "user", "name", "x", -3));
    ATTEMPT("up", "ptrace-me", syscall(SYS_ptrace, 0, 0, 0, 0));
    ATTEMPT("up", "ptrace-parent", syscall(SYS_ptrace, 0x4206, getppid(), 0, 0));
    ATTEMPT("up", "process_vm_readv", syscall(SYS_process_vm_readv, getppid(), room, 0, room, 0, 0));
    ATTEMPT("up", "kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
    ATTEMPT("up", "pidfd_getfd", syscall(438, syscall(434, getppid(), 0), 0, 0));
    ATTEMPT("up", "bpf-map", syscall(SYS_bpf, 0, (unsigned int[16]){2, 4, 4, 1}, 64));
    ATTEMPT("up", "bpf-program", syscall(SYS_bpf, 5, room, 120));
    ATTEMPT("up", "perf_event_open", syscall(SYS_perf_event_open, (unsigned int[32]){1, 128}, 0, -1, -1, 0));
    ATTEMPT("up", "userfaultfd", syscall(SYS_userfaultfd, 0));
    ATTEMPT("up", "userfaultfd-user", syscall(SYS_userfaultfd, 1));
    ATTEMPT("up", "io_uring_setup", syscall(425, 1, room));
    ATTEMPT("up", "name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/etc", room, room + 512, 0));
    ATTEMPT("up", "open_by_handle_at", syscall(SYS_open_by_handle_at, open("/", O_RDONLY), handle, O_RDONLY));
    ATTEMPT("up", "fanotify_init", syscall(SYS_fanotify_init, 4, 0));
    ATTEMPT("up", "reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0));
    ATTEMPT("up", "kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    ATTEMPT("up", "kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, 0, 0));
    ATTEMPT("up", "init_module", syscall(SYS_init_module, room, 0, ""));
    ATTEMPT("up", "delete_module", syscall(SYS_delete_module, "no_such_module", 0));
    ATTEMPT("up", "quotactl", syscall(SYS_quotactl, 0x800001 << 8, 0, 0, 0));
    ATTEMPT("up", "acct", syscall(SYS_acct, "/tmp/acct"));
    ATTEMPT("up", "swapon", syscall(SYS_swapon, "/tmp/none", 0));
    ATTEMPT("up", "swapoff", syscall(SYS_swapoff, "/tmp/none"));
    ATTEMPT("up", "syslog", syscall(SYS_syslog, 3, room, sizeof room));
    ATTEMPT("up", "iopl", syscall(SYS_iopl, 3));
    ATTEMPT("up", "ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
    ATTEMPT("up", "sethostname", sethostname("stolen", 6));
    ATTEMPT("up", "clock_settime", syscall(SYS_clock_settime, 0, &date));
    ATTEMPT("up", "settimeofday", syscall(SYS_settimeofday, &date, 0));
    ATTEMPT("up", "vhangup", syscall(SYS_vhangup));
    ATTEMPT("up", "nice", setpriority(PRIO_PROCESS, 0, -20));
    ATTEMPT("up", "realtime", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){50}));
    ATTEMPT("up", "core-limit", setrlimit(RLIMIT_NPROC, &more));
    ATTEMPT("up", "all-capabilities", syscall(SYS_capset, capability_header, all_capabilities));
    ATTEMPT("up", "raise-bounding", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    ATTEMPT("up", "setuid-root", setuid(0));
    ATTEMPT("up", "personality-linux32", syscall(SYS_personality, 8));
    ATTEMPT("up", "personality-no-randomize", syscall(SYS_personality, 0x40000));
    ATTEMPT("up", "personality-read-implies-exec", syscall(SYS_personality, 0x400000));
    ATTEMPT("up", "modify_ldt", syscall(SYS_modify_ldt, 0, room, 16));
    ATTEMPT("up", "x32-getpid", syscall(0x40000000 | SYS_getpid));
    ATTEMPT("up", "x32-unshare", syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER));
    ATTEMPT("up", "seccomp-own", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    ATTEMPT("up", "memfd_create", syscall(SYS_memfd_create, "x", 0));
    ATTEMPT("up", "signal-init-of-host", kill(-1, 0));
}

static long node(unsigned int kind, int major_number, int minor_number)
{
    unlink("/tmp/node");
    if (mknod("/tmp/node", kind | 0600, makedev(major_number, minor_number)) < 0)
        return -1;
    int fd = open("/tmp/node", O_RDONLY | O_NONBLOCK);
    int error = errno;
    unlink("/tmp/node");
    errno = error;
    return fd;
}

static void devices(void)
{
    ATTEMPT("device", "mem", node(S_IFCHR, 1, 1));
    ATTEMPT("device", "port", node(S_IFCHR, 1, 4));
    ATTEMPT("device", "kmsg", node(S_IFCHR, 1, 11));
    ATTEMPT("device", "disk-vda", node(S_IFBLK, 254, 0));
    ATTEMPT("device", "disk-vdb", node(S_IFBLK, 253, 0));
    ATTEMPT("device", "disk-sda", node(S_IFBLK, 8, 0));
    ATTEMPT("device", "loop0", node(S_IFBLK, 7, 0));
    ATTEMPT("device", "loop-control", node(S_IFCHR, 10, 237));
    ATTEMPT("device", "fuse", node(S_IFCHR, 10, 229));
    ATTEMPT("device", "kvm", node(S_IFCHR, 10, 232));
    ATTEMPT("device", "tty1", node(S_IFCHR, 4, 1));
}

static int opens(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd;
}

/* Each file below *folder* that can be opened for writing: nothing is written. */
static void writable_below(const char *folder, int depth)
{
    DIR *stream = opendir(folder);
    struct dirent *entry;
    char path[4096];
    if (!stream)
        return;
    while ((entry = readdir(stream))) {
        if (entry->d_name[0] == '.')
            continue;
        if (depth == 0 && strcmp(folder, "/proc") == 0 && strspn(entry->d_name, "0123456789"))
            continue;
        if (strcmp(entry->d_name, "self") == 0 || strcmp(entry->d_name, "thread-self") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct stat found;
        if (lstat(path, &found) < 0 || S_ISLNK(found.st_mode))
            continue;
        if (S_ISDIR(found.st_mode)) {
            if (depth < 12)
                writable_below(path, depth + 1);
        } else if (opens(path, O_WRONLY) >= 0) {
            printf("writable %s ok\n", path);
        }
    }
    closedir(stream);
}

static void files_of_the_kernel(void)
{
    static const char *const read_paths[] = {
        "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/proc/acpi",
        "/proc/scsi", "/proc/interrupts", "/proc/kmsg", "/proc/kallsyms", "/proc/kpageflags", "/proc/vmallocinfo", "/proc/slabinfo",
        "/proc/1/mem", "/proc/1/exe", "/proc/1/root/etc/shadow", "/sys/firmware", "/sys/kernel/debug",
        "/sys/kernel/security", "/sys/devices/virtual/powercap", "/sys/kernel/tracing", "/dev/kmsg", "/dev/mem", "/dev/fuse",
    };
    for (size_t i = 0; i < sizeof read_paths / sizeof *read_paths; i++) {
        char byte[512];
        int fd = open(read_paths[i], O_RDONLY | O_NONBLOCK);
        if (fd < 0) {
            printf("read %s %s\n", read_paths[i], told(errno));
            continue;
        }
        DIR *folder = fdopendir(dup(fd));
        if (folder) {
            int entries = 0;
            while (readdir(folder))
                entries++;
            printf("read %s %s\n", read_paths[i], entries > 2 ? "entries" : "empty");
        } else {
            ssize_t size = read(fd, byte, sizeof byte);
            printf("read %s %s\n", read_paths[i], size < 0 ? told(errno) : size ? "bytes" : "empty");
        }
        close(fd);
    }
    writable_below("/proc", 0);
    writable_below("/sys", 0);
}

static void identity(void)
{
    static const char *const wanted[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Groups"};
    char line[4096];
    FILE *stream = fopen("/proc/self/status", "r");
    while (stream && fgets(line, sizeof line, stream))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0 && line[strlen(wanted[i])] == ':')
                printf("status %s %s", wanted[i], line + strlen(wanted[i]) + 2);
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(folder) &&
            (!stream || atoi(entry->d_name) != fileno(stream)))
            printf("fd %s open\n", entry->d_name);
}

int main(void)
{
    signal(SIGTTOU, SIG_IGN);
    identity();
    files_of_the_kernel();
    namespaces();
    sockets();
    devices();
    up();
    every_call();
    return 0;
}
