#!/bin/sh
# Installs Debian packages without starting the services that some of them bring, now or at the next boot.
# Run as root: install-packages.sh [--keep-off SERVICE]... PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

services=
while [ "${1:-}" = --keep-off ]; do
	services="$services $2"
	shift 2
done

if command -v flock >/dev/null; then
	exec 9>/var/lock/sanlab-setup
	flock 9
fi

# invoke-rc.d and deb-systemd-invoke ask this program before they start anything. It forbids only while this script
# lives, so that even one left behind by a kill does no harm.
policy=/usr/sbin/policy-rc.d
mark="written by sanlab's setup"
if [ ! -e "$policy" ] || grep -q "$mark" "$policy"; then
	trap 'rm -f "$policy" "$policy.sanlab"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	cat >"$policy.sanlab" <<-END
		#!/bin/sh
		# $mark
		[ -d /proc/$$ ] && exit 101
		exit 0
	END
	chmod 755 "$policy.sanlab"
	mv "$policy.sanlab" "$policy"
fi

apt-get -q update || echo "apt-get update failed; trying with the package lists that are here" >&2
apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"

for service in $services; do
	update-rc.d "$service" disable || :
	if command -v systemctl >/dev/null; then
		systemctl --quiet disable "$service" || :
		[ ! -d /run/systemd/system ] || systemctl --quiet stop "$service" || :
	fi
done 2>/dev/null
