# Sourced by ./check and ./compare, with $top set to the source directory: what a bare Debian lacks, the bootstrap, and
# a build directory.  Everything that is there already is left alone, so that a second call costs nothing.
# shellcheck shell=sh

# Packages of the sections of packages.txt that are named.
setup_packages() {
    for section in "$@"; do
        sed -n "/^\[$section\]/,/^\[/p" "${top:?}/packages.txt" | grep -v -e '^\[' -e '^#' -e '^$'
    done | sort -u
}

# Installs the packages of these sections that are missing; says so and fails if that needs root.
setup_install() {
    command -v dpkg-query >/dev/null || return 0 # not a Debian: configure will say what it lacks
    present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
    missing=
    for package in $(setup_packages "$@"); do
        printf '%s\n' "$present" | grep -qxF "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages:$missing" >&2
        echo "install them (apt-get install$missing) or run this as root" >&2
        return 1
    fi
    echo "installing:$missing"
    # The servers among them are run by tests, not by the system.
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then
        policy=
    else
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    setup_status=0
    # shellcheck disable=SC2086 # a list of words
    {
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
                -o Dpkg::Use-Pty=0 install --no-install-recommends $missing >/dev/null
    } || setup_status=1
    [ -z "$policy" ] || rm -f "$policy"
    [ $setup_status = 0 ] || echo "could not install:$missing" >&2
    return $setup_status
}

# configure, where it is missing or older than what it is made from.
setup_bootstrap() {
    if [ ! -x "$top/configure" ] || [ ! -e "$top/Makefile.in" ] ||
        [ -n "$(cd "$top" && find configure.ac VERSION m4/pkg.m4 -newer configure)" ]; then
        (cd "$top" && autoreconf -fi >autoreconf.log 2>&1) || {
            cat "$top/autoreconf.log" >&2
            return 1
        }
        rm -f "$top/autoreconf.log"
    fi
}

# libtool and configure are large scripts, and dash reads them in two thirds of the time that bash takes.
if [ -z "${CONFIG_SHELL:-}" ] && [ -x /bin/dash ]; then
    CONFIG_SHELL=/bin/dash
    export CONFIG_SHELL
fi

# What a configure found is taken over by those after it: $setup_answers names a directory to keep it in, for one run.
# One file a compiler, but for the variables that are compared with the ones given: those differ on purpose.  (It is named
# by a site file, and not by an option: that would be repeated when make runs configure again, long after.)
setup_answers=
setup_site() { # [option ...]
    case " $* " in
        *" CC="*) setup_cache=$setup_answers/other ;;
        *) setup_cache=$setup_answers/cc ;;
    esac
    if [ -e "$setup_cache" ]; then
        sed -i '/^ac_cv_env_/d' "$setup_cache"
    fi
    echo "cache_file='$setup_cache'" >"$setup_answers/site"
    echo "$setup_answers/site"
}

# setup_configure DIR [option ...]: a build directory below $top, configured once.
setup_configure() {
    mkdir -p "$top/$1"
    setup_dir=$1
    shift
    if [ ! -e "$top/$setup_dir/config.status" ] || [ ! -e "$top/$setup_dir/Makefile" ] ||
        [ "$(cat "$top/$setup_dir/configured" 2>/dev/null)" != "$*" ]; then
        (
            cd "$top/$setup_dir" || exit 1
            if [ "$setup_answers" ] && [ -z "${CONFIG_SITE:-}" ]; then
                CONFIG_SITE=$(setup_site "$@")
                export CONFIG_SITE
            fi
            "${CONFIG_SHELL:-/bin/sh}" ../configure -q --enable-maintainer-mode "$@" >configure.log 2>&1
        ) || {
            tail -n 30 "$top/$setup_dir/configure.log" >&2
            return 1
        }
        echo "$*" >"$top/$setup_dir/configured"
    fi
}

# setup_make DIR [target ...]: quiet unless it fails.
setup_make() {
    setup_dir=$1
    shift
    make -s -j"$(nproc)" -C "$top/$setup_dir" "$@" >"$top/$setup_dir/make.log" 2>&1 || {
        tail -n 50 "$top/$setup_dir/make.log" >&2
        return 1
    }
}
