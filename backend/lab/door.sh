#!/bin/sh
# The lab's door to the host's network. It stands in the lab's user, mount and PID namespaces, but in the host's network
# namespace, and starts and ends the uplink as the daemon asks by a FIFO. It ends with the lab, by the kernel's hand.
#
# From the launcher: BOOTYARD_RUN.
set -eu
run=$BOOTYARD_RUN
uplink=''

# The lab's side has fixed addresses of RFC 2544's network, which no host uses. Nothing leads to the host's loopback.
start_uplink() {
  slirp4netns --configure --mtu=1500 --cidr=198.18.152.0/24 --disable-host-loopback --enable-sandbox \
    --netns-type=path /proc/1/ns/net uplink >"$run/uplink.log" 2>&1 </dev/null 3>&- &
  uplink=$!
}
end_uplink() {
  [ -n "$uplink" ] || return 0
  kill "$uplink" 2>/dev/null || :
  wait "$uplink" || :
  uplink=''
}

rm -f "$run/door"
mkfifo -m 600 "$run/door"
echo "$$" >"$run/door.pid"
exec 3<>"$run/door" 9>&-
while read -r request <&3; do
  end_uplink
  [ "$request" != start ] || start_uplink
done
