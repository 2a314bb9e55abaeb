#!/bin/sh
# Turns a freshly installed Debian into the image of a node. Runs inside of it, as its root, once.
set -eu
model=pc-x86-64

# Nothing of one machine stays in an image of many.
rm -f /etc/ssh/ssh_host_* /etc/hostname /var/lib/dbus/machine-id /etc/resolv.conf
: >/etc/machine-id

# No password on the serial console; ssh takes keys only.
passwd -d root >/dev/null

# Its file capability does not get through NFS.
chmod u+s /usr/bin/ping

# Not for a machine that starts afresh each time, or too slow for one that is emulated.
while read -r unit; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done </etc/walt/masked-units
rm /etc/walt/masked-units

# Interfaces keep the kernel's names: the first is up before udev runs.
mkdir -p /etc/systemd/network
ln -sf /dev/null /etc/systemd/network/99-default.link
systemctl set-default multi-user.target >/dev/null 2>&1

# Boot files: names that do not change with the kernel's version.
release=$(basename /lib/modules/*)
mkdir -p "/boot/$model"
ln -sf "../vmlinuz-$release" "/boot/$model/kernel"
ln -sf "../initrd.img-$release" "/boot/$model/initrd"
rm -f /vmlinuz* /initrd.img* /boot/System.map-*

# What the package manager can fetch again. /etc/.updated and /var/.updated say that there is nothing to catch up on.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/lib/dpkg/*-old
find /usr -name '*.pyc' -delete
touch /etc/.updated /var/.updated
