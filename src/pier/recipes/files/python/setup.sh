# Install the packages in /packages, then pip, over Debian. All of it was fetched and verified before the build.
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# pip belongs to the image's user here, not to the distribution: no EXTERNALLY-MANAGED (PEP 668), also after upgrades.
echo 'path-exclude /usr/lib/python3.*/EXTERNALLY-MANAGED' > /etc/dpkg/dpkg.cfg.d/python-image
apt-get install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 /packages/*.deb
for name in python python3 python3.11; do
    ln -s /usr/bin/python3.11 "/usr/local/bin/$name"
done
wheels=/usr/share/python-wheels
/usr/local/bin/python3.11 "$(echo $wheels/pip-*.whl)/pip" install \
    --no-index --find-links $wheels --no-cache-dir --root-user-action ignore pip setuptools wheel
test "$(python -c 'import platform; print(platform.python_version())')" = "$PYTHON_VERSION"
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/* /var/cache/debconf/*-old \
    /var/lib/dpkg/*-old /tmp/*
