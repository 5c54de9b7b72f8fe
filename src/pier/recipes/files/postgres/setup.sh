# User, folders and the few programs beside the server.
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
apt-get install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 /packages/*.deb
groupadd --system --gid 999 postgres
useradd --system --gid postgres --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres
install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data
install -d -o postgres -g postgres -m 3777 /var/run/postgresql
install -d /docker-entrypoint-initdb.d
ln -s /usr/local/bin/docker-entrypoint.sh /docker-entrypoint.sh
postgres --version | grep -F " $PG_VERSION"
psql --version | grep -F " $PG_VERSION"
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/faillog /var/log/lastlog \
    /var/cache/ldconfig/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /etc/*- /tmp/*
