# Inside the new image, where there is nothing but /bin/busybox and /etc.
set -e
umask 022
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /usr/local/bin /usr/share /dev /proc /sys /run \
    /home /media /mnt /opt /srv /var/cache /var/lib /var/log /var/spool/mail /var/www
/bin/busybox mkdir -p -m 0700 /root
/bin/busybox mkdir -p -m 1777 /tmp /var/tmp
/bin/busybox --install -s
/bin/busybox rm -f /linuxrc
/bin/busybox ln -s ../run /var/run
/bin/busybox ln -s /proc/mounts /etc/mtab
