# Finish the unpacked system, inside it. Arguments: the packages with a preinst script, as dpkg labels them.
# dpkg runs these before it unpacks; here all is unpacked and not one script has run.
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C
export DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
DPKG_MAINTSCRIPT_ARCH=$(dpkg --print-architecture)
DPKG_RUNNING_VERSION=$(dpkg-query --showformat='${Version}' --show dpkg)
export DPKG_MAINTSCRIPT_ARCH DPKG_RUNNING_VERSION
for label in "$@"; do
    DPKG_MAINTSCRIPT_PACKAGE=${label%%:*} "/var/lib/dpkg/info/$label.preinst" install
done
unset DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT DPKG_MAINTSCRIPT_ARCH DPKG_RUNNING_VERSION DPKG_ADMINDIR DPKG_ROOT
# Essential packages may use each other's files before any is configured; these make what the rest relies on.
dpkg --force-depends --configure base-passwd
dpkg --force-depends --configure base-files
dpkg --configure --pending
rm -rf /var/log/dpkg.log /var/log/apt/* /var/log/alternatives.log /var/log/bootstrap.log \
    /var/cache/ldconfig/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /tmp/*
