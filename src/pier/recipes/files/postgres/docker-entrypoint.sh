#!/bin/bash
# Starts PostgreSQL under the contract of the official image: a new data directory is made from POSTGRES_* and the
# scripts of /docker-entrypoint-initdb.d, an old one is left as it is, and root steps down to postgres.
set -Eeuo pipefail
shopt -s nullglob

die() {
    printf 'Error: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '       %s\n' "$@" >&2; fi
    exit 1
}

# take NAME DEFAULT: the value of NAME, or the content of the file that NAME_FILE names, or DEFAULT, as NAME.
take() {
    local file="$1_FILE"
    if [ -n "${!1:-}" ] && [ -n "${!file:-}" ]; then
        die "both $1 and $file are set (but are exclusive)"
    fi
    if [ -n "${!file:-}" ]; then
        [ -r "${!file}" ] || die "$file names ${!file}, which cannot be read"
        printf -v "$1" '%s' "$(< "${!file}")"
    else
        printf -v "$1" '%s' "${!1:-$2}"
    fi
    export "${1?}"
    unset "$file"
}

starts_a_server() {
    [ "${1:-}" = postgres ] || return 1
    local word
    for word in "${@:2}"; do
        case $word in
            -'?' | --help | --describe-config | -V | --version | -C) return 1 ;;
        esac
    done
}

make_folders() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" 2> /dev/null || true
    chmod 03775 /var/run/postgresql 2> /dev/null || true
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 700 "$POSTGRES_INITDB_WALDIR"
    fi
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
        find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
        if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
            find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
        fi
    fi
}

require_a_password() {
    if [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        return 0
    fi
    die 'Database is uninitialized and superuser password is not specified.' \
        'Give the superuser a password: POSTGRES_PASSWORD must not be empty, for example' \
        '"-e POSTGRES_PASSWORD=password" on "run", or the key "environment" in a compose file.' \
        '' \
        'POSTGRES_HOST_AUTH_METHOD=trust lets everyone in without a password instead. Do not use it' \
        'where others can reach the port (https://www.postgresql.org/docs/16/auth-trust.html).'
}

warn_of_trust() {
    [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] || return 0
    echo 'WARNING: POSTGRES_HOST_AUTH_METHOD is "trust": anyone who reaches the port becomes any user, also' >&2
    echo '         "postgres", without a password.' >&2
}

# initdb wants to know its own name; with --user and a number there is none in /etc/passwd.
name_the_user() {
    getent passwd "$(id -u)" > /dev/null && return 0
    local library
    for library in /usr/lib/*/libnss_wrapper.so; do
        NSS_WRAPPER_PASSWD=$(mktemp)
        NSS_WRAPPER_GROUP=$(mktemp)
        echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" > "$NSS_WRAPPER_PASSWD"
        echo "postgres:x:$(id -g):" > "$NSS_WRAPPER_GROUP"
        export LD_PRELOAD=$library NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    done
}

make_database_folder() {
    # Sockets where the official image has them, and where this build of libpq looks for them.
    local arguments=(--set 'unix_socket_directories=/var/run/postgresql, /tmp')
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || arguments+=(--waldir "$POSTGRES_INITDB_WALDIR")
    name_the_user
    # POSTGRES_INITDB_ARGS is a line of options, quoted as in a shell.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${arguments[@]}" '"${POSTGRES_INITDB_ARGS:-}"
    if [ -n "${NSS_WRAPPER_PASSWD:-}" ]; then
        rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
        unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    fi
}

allow_hosts() {
    local method=$POSTGRES_HOST_AUTH_METHOD
    [ -n "$method" ] || method=$(postgres -C password_encryption "$@")
    {
        echo
        [ "$method" != trust ] || echo '# everyone may connect without a password: see POSTGRES_HOST_AUTH_METHOD'
        echo "host all all all $method"
    } >> "$PGDATA/pg_hba.conf"
}

# On sockets only: until initialisation is over, nobody outside may take the server for ready.
start_for_scripts() {
    NOTIFY_SOCKET='' pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@" -c listen_addresses='' -p 5432)" -w start
}

stop_after_scripts() {
    pg_ctl -D "$PGDATA" -m fast -w stop
}

query() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"
}

make_database() {
    local there
    there=$(query --dbname postgres --set name="$POSTGRES_DB" --tuples-only <<< \
        "SELECT 1 FROM pg_database WHERE datname = :'name';")
    [ -n "$there" ] || query --dbname postgres --set name="$POSTGRES_DB" <<< 'CREATE DATABASE :"name";'
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh)
                if [ -x "$script" ]; then
                    echo "$0: running $script"
                    "$script"
                else
                    echo "$0: sourcing $script"
                    # shellcheck disable=SC1090
                    . "$script"
                fi
                ;;
            *.sql) echo "$0: running $script"; query --dbname "$POSTGRES_DB" -f "$script" ;;
            *.sql.gz) echo "$0: running $script"; gunzip -c "$script" | query --dbname "$POSTGRES_DB" ;;
            *.sql.xz) echo "$0: running $script"; xzcat "$script" | query --dbname "$POSTGRES_DB" ;;
            *.sql.zst) echo "$0: running $script"; zstd -dc "$script" | query --dbname "$POSTGRES_DB" ;;
            *) echo "$0: ignoring $script" ;;
        esac
        echo
    done
}

initialise() {
    require_a_password
    make_database_folder
    allow_hosts "$@"
    # The scripts' own psql may ask for it: POSTGRES_INITDB_ARGS can have made sockets ask for passwords.
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    start_for_scripts "$@"
    make_database
    run_scripts
    stop_after_scripts
    unset PGPASSWORD
    warn_of_trust
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

main() {
    if [ "${1:0:1}" = - ]; then
        set -- postgres "$@"
    fi
    if starts_a_server "$@"; then
        take POSTGRES_PASSWORD ''
        take POSTGRES_USER postgres
        take POSTGRES_DB "$POSTGRES_USER"
        take POSTGRES_INITDB_ARGS ''
        : "${POSTGRES_HOST_AUTH_METHOD:=}"
        make_folders
        if [ "$(id -u)" = 0 ]; then
            exec gosu postgres "$BASH_SOURCE" "$@"
        fi
        if [ -s "$PGDATA/PG_VERSION" ]; then
            printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
        else
            initialise "${@:2}"
        fi
    fi
    exec "$@"
}

main "$@"
