# SPDX-License-Identifier: Apache-2.0
#
# Sourced: packages of Debian's other suites and architectures, from the mirror that this host
# already uses, through an apt configuration of our own (sources, lists, status and cache below the
# cache folder), so that the host's apt neither learns of them nor installs anything. apt checks
# signatures and hashes; we only unpack.

cache=${PLIMSOLL_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/plimsoll-kernels}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# The host's own Debian mirror. Labels are only known once the host's lists are there; before
# that, the archive is told by its path.
mirror()
{
	local sources
	sources=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages')
	awk '$2 == "Debian" { print $1; found = 1; exit }
	     $1 ~ "/debian/?$" && !fallback { fallback = $1 }
	     END { if (!found && fallback) print fallback }' <<<"$sources"
}

# apt with a state of its own in folder $1; the rest is the command. Proxies and the like that the
# host is configured with stay in force.
own_apt()
{
	local state=$1
	shift
	APT_CONFIG=$state/apt.conf "$@"
}

# prepare_apt STATE SUITE ARCHITECTURE
prepare_apt()
{
	local state=$1 suite=$2 arch=$3 uri
	uri=$(mirror)
	[ -n "$uri" ] || die "no Debian mirror in this host's apt sources"
	[ -r "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"
	rm -rf "$state"
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	: >"$state/status"
	echo "deb [signed-by=$keyring] $uri $suite main" >"$state/sources.list"
	cat >"$state/apt.conf" <<-EOF
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		Dir::Etc::sourcelist "$state/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State "$state";
		Dir::State::lists "$state/lists";
		Dir::State::status "$state/status";
		Dir::Cache "$state";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
	EOF
	own_apt "$state" apt-get -q update >"$state/log" 2>&1 ||
		{ tail -n 20 "$state/log" >&2; die "cannot read suite $suite of $uri"; }
}
